"""A pytest plugin: few tests in a browser may be tried again, and every one is named.

A busy machine can still make a browser test late. More than `BUDGET` of them in one run is no bad
luck but a fault, and fails the run.
"""

import pytest

BUDGET = 3  # tests tried again in one run
TRIES = 2  # of one test, after the first


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # pytest-xdist: one process counts for all
        config.pluginmanager.register(RerunBudget())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what runs in a browser be tried again."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=TRIES))


class RerunBudget:
    """Counts the tests that were tried again and fails a run in which they are too many."""

    def __init__(self) -> None:
        self.tests: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "rerun":
            self.tests.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if len(self.tests) > BUDGET and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.tests:
            verdict = "too many" if len(self.tests) > BUDGET else "allowed"
            names = ", ".join(sorted(self.tests))
            count = f"{len(self.tests)} tried again, {verdict} (at most {BUDGET})"
            terminalreporter.write_line(f"{count}: {names}")
