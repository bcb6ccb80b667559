"""Configurations that claims need, and their runs in a table of scores."""

from dataclasses import dataclass

from sermodules.config import METHODS
from sermodules.evidence import statistics
from sermodules.evidence.claims.finding import FEWEST_SPEAKERS, Missing


@dataclass(frozen=True)
class Cell:
    """A configuration that a claim needs. A baseline is known by its model alone: `attention` and `gender` are None."""

    model: str
    attention: str | None = None
    gender: str | None = None

    def __str__(self):
        if not self.attention:
            return f"`{self.model}`"
        return f"`{self.model}` ({self.attention}, gender {self.gender})"

    @property
    def short(self):
        """Say in words what sets this configuration apart."""
        words = [METHODS[self.model].name]
        if self.attention not in (None, METHODS[self.model].brings.get("attention")):
            words.append(f"with {self.attention} pooling")
        if self.gender == "none":
            words.append("without gender")
        return " ".join(words)

    def of(self, scores):
        """Return the runs of this configuration, indexed by speaker and seed."""
        mine = scores["model"] == self.model
        for name in ("attention", "gender"):
            if getattr(self, name) is not None:
                mine &= scores[name] == getattr(self, name)
        return scores[mine].set_index(["speaker", "seed"])


MODEL1 = Cell("model1", "additive", "embedding")
MODEL2 = Cell("model2", "seq_self", "embedding")
NO_GENDER = Cell("model2", "seq_self", "none")
MEAN_POOLING = Cell("model2", "mean", "embedding")
MAX_POOLING = Cell("model2", "max", "embedding")


def lacks(group):
    """Say what keeps runs from being the paper's network on the paper's data; empty if nothing does.

    Parameters
    ----------
    group : mapping
        ``corpus``, ``preset`` and ``settings`` of the runs.

    Returns
    -------
    str
    """
    reasons = []
    if group["corpus"] != "iemocap":
        reasons.append("the corpus `iemocap`")
    if group["preset"] != "paper":
        reasons.append("the preset `paper`")
    if group["settings"]:
        reasons.append(f"no other settings (here {group['settings']})")
    return ", ".join(reasons)


def pairs(scores, columns, cells, on=("speaker", "seed")):
    """Return the runs of each configuration that have a partner and a value in every column."""
    absent = [name for name in columns if name not in scores]
    if absent:
        raise Missing(f"the scores lack the column(s) {', '.join(absent)}")
    frames = [cell.of(scores).dropna(subset=list(columns)) for cell in cells]
    keys = [frame.index.droplevel([name for name in frame.index.names if name not in on]) for frame in frames]
    common = keys[0].unique()
    for key in keys[1:]:
        common = common.intersection(key.unique())
    frames = [frame[key.isin(common)] for frame, key in zip(frames, keys, strict=True)]
    speakers = frames[0].index.get_level_values("speaker").nunique()
    if speakers < FEWEST_SPEAKERS:
        needed = " and ".join(map(str, cells))
        same = f" with the same {' and '.join(on)}" if len(cells) > 1 else ""
        raise Missing(f"needs runs of {needed}{same}, of at least {FEWEST_SPEAKERS} speakers; there are {speakers}")
    return frames


def left_out(scores, cells, frames):
    """Say how many runs of the configurations are not among `frames`."""
    count = sum(len(cell.of(scores)) for cell in cells) - sum(map(len, frames))
    if not count:
        return ""
    return f"{count} {'runs' if count > 1 else 'run'} left out, without a partner or a value"


def by_speaker(frame, column):
    """Average the seeds of each speaker."""
    return frame[column].groupby("speaker").mean()


def trainings(scores):
    """Return the training of each speaker and seed where one training tested many speakers, otherwise None."""
    if scores.empty:
        return None
    names = scores[["model", "attention", "gender"]].astype(str).agg(", ".join, axis=1)
    return statistics.shared_trainings(scores.assign(configuration=names))


def values(frame, column, shared):
    """Return one value a speaker, the mean of the seeds; where trainings are `shared`, one a speaker and seed."""
    return by_speaker(frame, column) if shared is None else frame[column]
