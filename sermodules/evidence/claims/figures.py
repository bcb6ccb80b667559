"""The figures that the entries report, taken from the printed tables."""

from dataclasses import dataclass

from sermodules.evidence import paper


@dataclass(frozen=True)
class Figure:
    """What the paper reports.

    Attributes
    ----------
    text : str
        As the ledger shows it.
    value : float, optional
        The number in `text`, in its unit; None if there is none, or more than one.
    """

    text: str
    value: float | None = None


#: Where the paper gives none.
NO_FIGURE = Figure("no figure")


def points(value, of=""):
    """Report a difference: "+3.43 points"."""
    return Figure(f"{value:+.2f} points{of}", round(float(value), 2))


def percent(value, spread=""):
    """Report a score: "62.86 % ± 9.43"."""
    return Figure(f"{value:.2f} %{spread}", round(float(value), 2))


def recall(table, emotion):
    """Report the recall of a class in a confusion matrix: "recall 69.90 %"."""
    value = paper.recalls(table)[emotion]
    return Figure(f"recall {value:.2f} %", round(float(value), 2))


def listed(values, digits=2):
    """Write several figures: "62.92, 59.43"."""
    return ", ".join(f"{value:.{digits}f}" for value in values)


#: What Model 2's printed mean is above Model 1's, in points.
GAIN = {
    metric: paper.TABLE1_MEAN[f"model2_{metric}"] - paper.TABLE1_MEAN[f"model1_{metric}"] for metric in ("uar", "wa")
}

#: What Model 2's printed mean UAR is above that of each method of Table 2, in points.
LEAD = (paper.TABLE1_MEAN["model2_uar"] - paper.TABLE2.set_index("method")["uar"]).to_dict()

#: The printed ± of Models 1 and 2.
SD = paper.TABLE2.dropna(subset="model").set_index("model")["sd"].to_dict()

#: Both of them, and the first over the second.
SPREADS = Figure(
    f"± {SD['model1']} against ± {SD['model2']}, ratio {SD['model1'] / SD['model2']:.2f}",
    round(SD["model1"] / SD["model2"], 2),
)
