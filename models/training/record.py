"""What a run was begun with, so that it is not continued as something else."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis.io.files import write
from models import schema
from models.corpora.utterance import TrainingError
from models.schema import SchemaError

FILE = "run.json"


@dataclass(frozen=True)
class RunRecord:
    """What may not change between the parts of a run."""

    variant: str  # as on the command line
    joint: float  # CTC's share of the loss where the encoder is trained, too, else 0
    seed: int
    alphabet: tuple[str, ...]  # tokens in order


def read_record(folder: Path) -> RunRecord | None:
    """The record of a run that was begun in a folder before.

    Raises
    ------
    TrainingError
        Where it is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return schema.read(path, RunRecord)
    except SchemaError as error:
        raise TrainingError(f"{path} is damaged ({error}); name another folder") from None


def begin(folder: Path, record: RunRecord) -> None:
    """Leave the record in a new run's folder, or compare it with the one that is there.

    Raises
    ------
    TrainingError
        Where the folder holds another run.
    """
    before = read_record(folder)
    if before is None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(record), ensure_ascii=False)
        write(folder / FILE, f"{text}\n".encode())
        return
    for name, value in asdict(before).items():
        now = getattr(record, name)
        if now != value:
            said = f"{name} {value}, not {now}" if name != "alphabet" else "another alphabet"
            raise TrainingError(f"{folder} holds a run of {said}; name another folder with --out")
