"""What a check says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of ``sermodules doctor``.

    Attributes
    ----------
    name : str
        What was looked at.
    text : str
        What was found.
    todo : str
        What to do; empty if all is well. Neither this nor `text` holds a path, or the name of a user or a machine.
    stops : bool
        Whether no study can start like this.
    private : str
        What is shown on the screen besides, and in no bug report: paths, owners, messages of the system.
    """

    name: str
    text: str
    todo: str = ""
    stops: bool = False
    private: str = ""

    @property
    def state(self):
        """``good``, ``note`` (there is something to do, or to know) or ``stop``."""
        return "stop" if self.stops else "note" if self.todo else "good"

    def lines(self):
        """Return the finding as it stands on the screen, a line or two."""
        first = f"{self.state}  {self.name:<11} {self.text}" + (f": {self.private}" if self.private else "")
        return [first, f"{'':<6}{'':<11} -> {self.todo}"] if self.todo else [first]
