"""Write trees in IEMOCAP's released layout, with every trap of the real one. No label or audio of the corpus is in it.

`full_turns` has the full corpus's numbers: 151 dialogs, 10,039 turns, and the known counts of its improvised ones.
"""

import random
import zlib
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import soundfile

#: Improvised turns a session: angry, happy, sad, neutral of the woman, then of the man. Typed here a second time, so
#: that a slip in `sermodules.corpora.iemocap.COUNTS` is seen.
COUNTS = {
    1: ((37, 18, 43, 119), (25, 15, 61, 104)),
    2: ((7, 25, 63, 90), (15, 29, 37, 127)),
    3: ((22, 39, 108, 95), (68, 21, 82, 103)),
    4: ((47, 10, 41, 51), (37, 21, 40, 123)),
    5: ((18, 56, 73, 151), (13, 50, 60, 136)),
}
CODES = ("ang", "hap", "sad", "neu")
#: What else the improvised dialogs hold, a speaker.
OTHERS = {"exc": 66, "fru": 97, "xxx": 80, "sur": 4, "fea": 2, "dis": 1, "oth": 1}
SCRIPTED = ("ang", "hap", "exc", "sad", "neu", "fru", "fea", "sur", "dis", "oth", "xxx")
TURNS = 10039
DIALOGS = 151
#: Seconds of the recordings.
LENGTHS = (0.25, 0.5, 1.0)
RATE = 16000

HEADERS = (
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]",
    "[START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]",
)


@dataclass(frozen=True)
class Turn:
    """A turn to write: its dialog, who speaks (F or M), its number in the dialog, its code and its length (s)."""

    dialog: str
    letter: str
    number: int
    code: str
    seconds: float

    @property
    def name(self):
        return f"{self.dialog}_{self.letter}{self.number:03d}"

    def wav(self, root):
        return Path(root) / f"Session{self.dialog[4]}" / "sentences" / "wav" / self.dialog / f"{self.name}.wav"

    def labels(self, root):
        return Path(root) / f"Session{self.dialog[4]}" / "dialog" / "EmoEvaluation" / f"{self.dialog}.txt"


def turns_of(spoken):
    """Number turns that are given as (dialog, letter, code)."""
    seen, turns = {}, []
    for length, (dialog, letter, code) in zip(cycle(LENGTHS), spoken, strict=False):
        number = seen.setdefault((dialog, letter), 0)
        seen[dialog, letter] += 1
        turns.append(Turn(dialog, letter, number, code, length))
    return turns


def full_turns(scripted=True):
    """Return turns in the full corpus's numbers; without the scripted ones on request."""
    spoken = []
    for session, speakers in COUNTS.items():
        regular = [f"Ses0{session}{worn}_impro0{n}" for n in range(1, 9) for worn in "FM"]
        if session == 3:
            regular = [name for name in regular if name[5:] not in ("M_impro05", "M_impro08")]
        for letter, counts in zip("FM", speakers, strict=True):
            codes = [code for code, n in zip(CODES, counts, strict=True) for _ in range(n)]
            random.Random(session).shuffle(codes)
            if session == 3:  # 56 of the 2280 turns have a letter behind the number of the dialog
                dialogs = islice(
                    cycle(("Ses03M_impro05a", "Ses03M_impro05b", "Ses03M_impro08a", "Ses03M_impro08b")), 28
                )
                spoken += [(dialog, letter, codes.pop()) for dialog in dialogs]
            codes += [code for code, n in OTHERS.items() for _ in range(n)]
            spoken += [(dialog, letter, code) for dialog, code in zip(cycle(regular), codes, strict=False)]
    if scripted:
        parts = ("01_1", "01_2", "01_3", "02_1", "02_2", "03_1", "03_2")
        dialogs = [f"Ses0{s}{worn}_script{part}" for s in COUNTS for worn in "FM" for part in parts]
        dialogs = dialogs[: DIALOGS - len({dialog for dialog, _, _ in spoken})]
        each = zip(cycle(dialogs), cycle("FFM"), cycle(SCRIPTED), strict=False)
        spoken += islice(each, TURNS - len(spoken))
    return turns_of(spoken)


def miniature_turns():
    """Return a few turns: every session, odd dialog names, F and M worn by the other speaker, every code."""
    dialogs = (
        "Ses01F_impro01", "Ses01M_impro07", "Ses02F_impro08b", "Ses03M_impro05a", "Ses04F_impro03", "Ses05M_impro08a",
        "Ses05F_script01_1b", "Ses02M_script03_2",
    )  # fmt: skip
    return turns_of((dialog, letter, code) for dialog in dialogs for letter in "FM" for code in SCRIPTED)


def write(root, turns, *, wavs=True, traps=True, distinct=True):
    """Write a tree.

    Parameters
    ----------
    root : path
        The folder that will hold ``Session1`` to ``Session5``.
    turns : list of Turn
    wavs : bool
        The recordings too.
    traps : bool
        Also what must be ignored: subfolders with other labels, ``._`` files, files of other kinds.
    distinct : bool
        Each recording has a sound of its own. Without, all that are equally long are one file with many names.

    Returns
    -------
    list of Turn
    """
    root = Path(root)
    dialogs = {}
    for turn in turns:
        dialogs.setdefault(turn.dialog, []).append(turn)
    masters = {}
    for index, members in enumerate(dialogs.values()):
        labels = members[0].labels(root)
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_bytes(evaluation(members, HEADERS[index % 2], "\r\n" if index % 3 else "\n"))
        if traps:
            _set_traps(labels, members)
        if wavs:
            members[0].wav(root).parent.mkdir(parents=True)
            for turn in members:
                _write_wav(turn, root, None if distinct else masters)
            if traps:
                (members[0].wav(root).parent / f"._{members[0].name}.wav").write_bytes(b"\x00\x05\x16\x07 not audio")
    return turns


def evaluation(turns, header=HEADERS[0], newline="\n"):
    """Return the content of a file of ``EmoEvaluation``, with bytes that are no UTF-8 in the raters' comments."""
    lines, clock = [header, ""], 0.0
    for turn in turns:
        start, clock = clock + 0.35, clock + 0.35 + turn.seconds
        lines += [
            f"[{start:.4f} - {clock:.4f}]\t{turn.name}\t{turn.code}\t[2.5000, 3.0000, 2.5000]",
            "C-E2:\tNeutral;\t()",
            # 0xE9 is é in latin-1; 0x85 is an ellipsis in Windows' encoding, and the end of a line to str.splitlines
            "C-E4:\tAnger; Other;\t(blas\xe9\x85 [0.1 - 0.2]\tang)",
            "C-F1:\tFrustration;\t()",
            "A-E3:\tval 3; act 2; dom  2;\t()",
            "A-F1:\tval 2; act 4; dom  ;\t()",
            "",
        ]
        clock += 0.1
    return newline.join([*lines, ""]).encode("latin-1")


def _set_traps(labels, members):
    wrong = evaluation([Turn(t.dialog, t.letter, t.number, "dis", t.seconds) for t in members])
    for name in ("Attribute", "Categorical", "Self-evaluation"):
        folder = labels.parent / name
        folder.mkdir(exist_ok=True)
        (folder / labels.name).write_bytes(wrong)
        (folder / f"{labels.stem}_e2_cat.anvil").write_text("<annotation/>")
    (labels.parent / f"._{labels.name}").write_bytes(b"\x00\x05\x16\x07" + wrong)
    (labels.parent / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    (labels.parent / f"{labels.stem}.pdf").write_bytes(wrong)
    other = labels.parents[1] / "transcriptions"
    other.mkdir(exist_ok=True)
    (other / labels.name).write_text("".join(f"{turn.name} [000.3500-001.3500]: Hello.\n" for turn in members))


def _write_wav(turn, root, masters):
    path, seconds = turn.wav(root), turn.seconds
    if masters and seconds in masters:
        path.hardlink_to(masters[seconds])
        return
    seed = 0 if masters is not None else zlib.crc32(turn.name.encode())
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    soundfile.write(path, noise, RATE, subtype="PCM_16")
    if masters is not None:
        masters[seconds] = path
