"""The form of a claim: what every entry of `corpus` and `arithmetic` holds."""

from dataclasses import dataclass

from sermodules.evidence.claims.figures import Figure


@dataclass(frozen=True)
class Claim:
    """One thing that the paper says or that its tables show, and the rule that decides it.

    Attributes
    ----------
    id : str
        Words with hyphens.
    statement : str
        One sentence, in our words.
    where : str
        Sections and tables of the paper.
    figure : Figure
        What the paper reports; `NO_FIGURE` if it gives none.
    rule : object
        What decides it: one of `rules`, or a `checks.Printed`.
    source : {"words", "reading", "tables", "ours"}
        Whether the paper says it in words; or its words leave open what is meant, and what is measured is our reading; or its
        tables show it and no words do; or it is our own, put beside what it says.
    only_iemocap : bool
        The claim is about the size of a figure on IEMOCAP: with another corpus, preset or setting there is nothing to judge.
    """

    id: str
    statement: str
    where: str
    figure: Figure
    rule: object
    source: str = "words"
    only_iemocap: bool = False

    @property
    def kind(self):
        """Whether it takes runs, "corpus", or the figures that the paper prints decide it, "arithmetic"."""
        return self.rule.kind

    @property
    def reported(self):
        """What the paper reports, in words."""
        return self.figure.text

    @property
    def value(self):
        """What the paper reports, as a number; None if there is none, or more than one."""
        return self.figure.value
