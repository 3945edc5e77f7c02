"""Run a command as `python -m app` does, in this process."""

from app.cli.main import main


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one command."""
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return status, printed.out, printed.err


def one_sentence(text: str) -> bool:
    """Whether exactly one line is a complaint."""
    lines = [line for line in text.splitlines() if line.startswith("attnscope: ")]
    return len(lines) == 1
