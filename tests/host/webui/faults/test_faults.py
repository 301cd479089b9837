"""Faults wherever our code meets the host's: nothing is left behind, the next generation is right.

A KeyboardInterrupt that leaves an API route stops the server's event loop, with or without any
extension. So it is thrown in a call of the API's own function from a route that catches it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
import requests
from expect import CLEAN
from fault_cases import ASKED, CASES, OWN_CALLBACKS, PLAIN, SHAPES, Case
from host import REPOSITORY, SMALL, START_SECONDS, TEST_EXTENSIONS, Host, HostFactory
from todo_report import line

FAULTS = TEST_EXTENSIONS / "faults"
LEAST_CASES = 200

passed: set[Case] = set()


def each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", CASES[kind], ids=str)


@pytest.fixture(scope="module")
def bare_images(start_host: HostFactory) -> list[str]:
    """The plain image of a host that never had the extension."""
    bare = start_host(extensions=())
    made = bare.txt2img(**PLAIN)["images"]
    bare.stop()
    return list(made)


class Faulty:
    """A host with the extension and the injector, and what is right on it."""

    def __init__(self, host: Host, bare_images: list[str]) -> None:
        self.host = host
        self.began = time.monotonic()
        self.bare_images = bare_images
        self.pooled = self.without_fault("plain", "on")
        host.post("/todo-faults/mark")
        self.threads = self.state()["threads"]

    @cache  # noqa: B019  there is one such object in the whole run
    def without_fault(self, shape: str, asked: str) -> tuple[list[str], str | None]:
        answer = self.host.txt2img(**SHAPES[shape], **ASKED[asked])
        return answer["images"], line(answer)

    def state(self) -> dict[str, Any]:
        return dict(self.host.get("/todo-faults/state"))

    def run(self, case: Case) -> dict[str, Any] | str:
        """The answer of a generation with this fault, or what ended it."""
        self.host.post("/todo-faults/arm", case.order())
        if case.action == "KeyboardInterrupt":
            answer = self.host.post("/todo-faults/generate", case.body)
            return str(answer["raised"]) if "raised" in answer else dict(answer)
        response = self.host.request("POST", "/sdapi/v1/txt2img", json=case.body)
        if response.ok:
            return dict(response.json())
        assert response.status_code == 500
        return "{error}: {errors}".format(**response.json())

    def check_nothing_is_left(self) -> None:
        left = self.state()
        assert left.pop("struck"), "the fault's place was never reached"
        assert left == {"processing": 0, "models": 0, "kept": [], "threads": self.threads}

    def check_what_follows(self, may_be_put_back: bool = False) -> None:
        """The next plain generation is the bare host's; the next with ToDo is as ever."""
        before = self.host.probe_leftovers()
        assert self.host.txt2img(**PLAIN)["images"] == self.bare_images
        answer = self.host.txt2img(**PLAIN, **ASKED["on"])
        assert (answer["images"], line(answer)) == self.pooled
        assert self.host.probe_leftovers() == CLEAN
        if not may_be_put_back:
            assert before == CLEAN


@pytest.fixture(scope="module")
def faulty(start_host: HostFactory, bare_images: list[str]) -> Iterator[Faulty]:
    host = start_host(extensions=(REPOSITORY, FAULTS), with_ui=True)
    host.tells_all = False
    yield Faulty(host, bare_images)
    host.stop()


def check(faulty: Faulty, case: Case) -> None:
    if not case.ends:
        # before the fault is armed
        faulty.without_fault(case.shape, case.asked)
    answer = faulty.run(case)
    faulty.check_nothing_is_left()
    if case.ends:
        assert answer == f"{case.action}: todo-faults: on purpose at {case.place}"
    elif case.name in OWN_CALLBACKS:
        # the host logs that ours failed, and makes the image pooled or plain
        allowed = [faulty.without_fault(case.shape, asked)[0] for asked in (case.asked, "off")]
        assert isinstance(answer, dict)
        assert answer["images"] in allowed
    else:
        assert isinstance(answer, dict)
        assert (answer["images"], line(answer)) == faulty.without_fault(case.shape, case.asked)
    # who wrapped our call and undoes it afterwards puts ours back, which the next ToDo takes off
    faulty.check_what_follows(may_be_put_back=case.place.startswith("over "))
    passed.add(case)


def test_no_two_cases_are_the_same() -> None:
    every = [case for cases in CASES.values() for case in cases]
    assert len(every) == len(set(every))


def test_the_injector_stands_on_both_sides_and_sees_what_is_kept(faulty: Faulty) -> None:
    order = faulty.host.get("/todo-faults/order")
    ours = order.index("ToDo")
    assert order.index("todo-faults before") < ours < order.index("todo-faults after")
    faulty.host.txt2img(**PLAIN, **ASKED["on"])
    seen = faulty.host.get("/todo-faults/in_sampling")
    assert "sd_webui_todo.hosts.webui.generation.Generation" in seen["kept"]
    assert "ldm.modules.attention.CrossAttention.__call__" in seen["replaced"]


@each("callbacks")
def test_in_a_callback(faulty: Faulty, case: Case) -> None:
    check(faulty, case)


@each("intercepted calls")
def test_in_an_intercepted_call(faulty: Faulty, case: Case) -> None:
    check(faulty, case)


@each("U-Net calls")
def test_in_a_unet_call(faulty: Faulty, case: Case) -> None:
    check(faulty, case)


@each("own functions")
def test_in_our_own_functions(faulty: Faulty, case: Case) -> None:
    check(faulty, case)


@each("nested")
def test_in_a_nested_generation(faulty: Faulty, case: Case) -> None:
    check(faulty, case)


@each("checkpoint loads")
def test_at_a_checkpoint_load(faulty: Faulty, case: Case) -> None:
    check(faulty, case)
    # the checkpoint that the fault left behind has been replaced by now
    assert faulty.state()["models"] == 0


@each("stops")
def test_interrupt_and_skip(faulty: Faulty, case: Case) -> None:
    answer = faulty.run(case)
    faulty.check_nothing_is_left()
    assert isinstance(answer, dict)
    # an interrupt before the first batch leaves nothing to tell of; a skip is forgotten there
    is_sampled = (case.name, case.action) != ("process", "interrupt")
    assert (line(answer) is not None) is (case.asked == "on" and is_sampled)
    faulty.check_what_follows()
    passed.add(case)


def test_the_ui_is_reloaded_in_mid_generation(faulty: Faulty) -> None:
    host = faulty.host
    starts = host.log().count("Startup time:")
    body = SMALL | PLAIN | {"steps": 20} | ASKED["on"]
    fault = {"place": "enter UNetModel", "action": "reload", "nth": 3}
    host.post("/todo-faults/arm", {"fault": fault})
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(requests.post, f"{host.url}/sdapi/v1/txt2img", json=body, timeout=120)
        deadline = time.monotonic() + START_SECONDS
        while host.log().count("Startup time:") == starts:
            assert time.monotonic() < deadline, "the UI did not come back"
            time.sleep(0.25)
        # the server that it came from may answer it or hang up; both are the host's to choose
        cut.exception()
    faulty.check_nothing_is_left()
    faulty.check_what_follows()


def test_enough_cases_passed(faulty: Faulty, capsys: pytest.CaptureFixture[str]) -> None:
    """The closing line."""
    total = sum(map(len, CASES.values()))
    seconds = time.monotonic() - faulty.began
    with capsys.disabled():
        print(f"\n{len(passed)} of {total} distinct faults survived in {seconds:.0f} s")
    assert len(passed) >= LEAST_CASES
