"""The card of a kept model: of whom it learned, how often it was right, and what it must not be used for."""

import math

from scipy.special import ndtri

from sermodules.config import METHODS

#: A model from `sermodules train`.
UNTESTED = (
    "This model was trained for use: it learned from all speakers but those who chose the epoch, so nobody is left to test it,"
    " and it has no score."
)

_USES = """\
## What it must not be used for

- **Judging people.** It names the class of recordings of its corpus that a recording sounds most like. What somebody feels it
  does not know. A posterior is no probability of a feeling: silence, music and bored speech get a confident answer, too.
- **At work and in education.** The EU's AI Act forbids systems that infer emotions of people there, but for medical or safety
  reasons: Regulation (EU) 2024/1689, Article 5(1)(f), <https://eur-lex.europa.eu/eli/reg/2024/1689/oj>.
- **Other speech than that of its corpus**, before you have tested it there: another language, other microphones, speech that
  nobody acts.
"""


def write(config, facts, provenance, metrics=None):
    """Write the card of a model.

    Parameters
    ----------
    config : RunConfig
    facts : dict
        See `sermodules.inference.keeping.files`.
    provenance : dict
        Of the run.
    metrics : dict, optional
        Of the run; none if nobody tested the model.

    Returns
    -------
    str
        Markdown.
    """
    sections = [
        f"# {METHODS[config.model].name}, {facts['corpus']['name']}\n",
        *([] if metrics else [f"**{UNTESTED}**\n"]),
        _origin(config, facts, provenance),
        *([_scores(metrics)] if metrics else []),
        _USES,
        "## How to ask it\n\n```bash\nsermodules predict FOLDER RECORDING...\n```\n\nFOLDER is the one that holds this file.\n",
    ]
    return "\n".join(sections)


def _origin(config, facts, provenance):
    corpus, parts = facts["corpus"], facts["parts"]
    lines = [
        ("corpus", f"{corpus['title'] or 'a table of your own'} (`{corpus['name']}`)"),
        ("language", corpus["language"] or "not known"),
        ("licence of the recordings", corpus["licence"] or "not known"),
        ("learned from", people(parts["train"])),
        ("chose the epoch" if METHODS[config.model].chooses else "left out", people(parts["validation"])),
        ("tested", people(parts["test"])),
        ("classes", ", ".join(f"{name} ({parts['train']['utterances'].get(name, 0)})" for name in facts["classes"])),
        ("recordings", f"{' and '.join(map(str, facts['rates'])) or '?'} Hz, up to {facts['longest']:g} s"),
        ("told the gender", "yes" if config.gender.startswith("embedding") else "no"),
        ("standardised by", config.standardise + f", from {config.enrol} recordings" * bool(config.enrol)),
        *([("normalised by", "all recordings of a speaker")] if config.batch_norm == "speaker" else []),
        *(
            [("label", f"what people heard (`{config.label}`), not what was asked for")]
            if config.label != "asked"
            else []
        ),
        ("configuration", f"`{config.run_id}`"),
        ("digest", f"`{facts['digest'][:16]}`"),
        ("date, code", f"{provenance['date']}, commit {provenance['commit'] or 'not known'}"),
    ]
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in lines)])
    closed = (
        "\n**Its corpus is closed: nothing made from it, this model included, may be passed on.**\n" * corpus["closed"]
    )
    credit = f"\n{corpus['attribution']}\n" if corpus["attribution"] else ""
    return f"## What it is\n\n{table}\n{closed}{credit}"


def people(part):
    """Count the speakers and utterances of a part in words.

    Examples
    --------
    >>> from sermodules.inference import card
    >>> card.people({"speakers": {"female": 4, "male": 3}, "utterances": {"sad": 20, "happy": 11}})
    '7 speakers (4 female, 3 male), 31 utterances'
    """
    count = sum(part["speakers"].values())
    if not count:
        return "nobody"
    genders = ", ".join(f"{number} {gender}" for gender, number in part["speakers"].items())
    return f"{count} speaker{'s' * (count > 1)} ({genders}), {sum(part['utterances'].values())} utterances"


def _scores(metrics):
    rows = dict(zip(metrics["classes"], metrics["confusion"], strict=True))
    right = {name: (row[metrics["classes"].index(name)], sum(row)) for name, row in rows.items() if sum(row)}
    everything = (sum(hits for hits, _ in right.values()), metrics["n"])
    lines = [("UAR", metrics["uar"], [*right.values()]), ("WA", metrics["wa"], [everything])]
    lines += [(f"recall of {name}", hits / count, [(hits, count)]) for name, (hits, count) in right.items()]
    table = ["| score | % | 95 % interval |", "| --- | --- | --- |"]
    for name, value, shares in lines:
        low, high = interval(shares)
        table.append(f"| {name} | {100 * value:.1f} | {100 * low:.1f} to {100 * high:.1f} |")
    who = metrics.get("test_speaker") or ", ".join(metrics["test_speakers"])
    return (
        f"## How often it was right\n\nOn {metrics['n']} utterances of {who}, whom it had never heard:\n\n"
        + "\n".join(table)
        + "\n\nThe interval counts utterances. It says nothing of the next speaker: speakers differ by more than that, so a"
        " study tests all of them.\n"
    )


def interval(shares):
    """Return the 95 % interval of the mean of independent shares, such as the UAR of its recalls.

    Parameters
    ----------
    shares : list of (int, int)
        Hits and trials of each.

    Returns
    -------
    low, high : float
        Between 0 and 1.

    Notes
    -----
    R. M. Price, D. G. Bonett, "An improved confidence interval for a linear function of binomial proportions", Computational
    Statistics & Data Analysis 45(3), 2004, pp. 449-456: of k shares each gets 2/k hits and 4/k trials more (recalled, full text
    not at hand). For one share it is the interval of Agresti and Coull.

    Examples
    --------
    >>> from sermodules.inference import card
    >>> [round(end, 2) for end in card.interval([(8, 10)])]
    [0.48, 0.95]
    """
    k = len(shares)
    moved = [((hits + 2 / k) / (trials + 4 / k), trials + 4 / k) for hits, trials in shares]
    mean = sum(share for share, _ in moved) / k
    sd = math.sqrt(sum(share * (1 - share) / trials for share, trials in moved)) / k
    reach = float(ndtri(0.975)) * sd
    return max(0.0, mean - reach), min(1.0, mean + reach)
