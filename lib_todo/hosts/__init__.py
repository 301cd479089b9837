"""The programs that ToDo is shown in, one folder or file for each."""
