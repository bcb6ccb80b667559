"""A miniature IEMOCAP made by speech synthesis, and two variants of it that test what a gender input adds.

Nobody speaks in these corpora: espeak-ng reads our own sentences, and Praat's PSOLA gives each of ten speakers a voice
and each utterance its emotion. The files lie on disk as IEMOCAP's do and are read by IEMOCAP's loader, so what runs
here runs there.

====================================  ===============================  ==========================  =================
variant                               voices                           cues                        classes
====================================  ===============================  ==========================  =================
``synthetic``                         women's and men's                :data:`CUES`                as in IEMOCAP
``synthetic-gender-irrelevant``       one common range for both        :data:`CUES`                five each
``synthetic-gender-decisive``         one common range for both        women :data:`CUES`, men     five each
                                                                       :data:`FLIPPED` ones
====================================  ===============================  ==========================  =================

The two gender variants have the same voices, the same texts and the same random draws; they differ only in the cues of
the speakers labelled male. In the first, gender says nothing about the class, given the speech. In the second every
pattern of cues stands for two classes, and only the label tells which.

Speech is made in one new process for each speaker, because espeak-ng keeps a state from one sentence to the next. Each
such process says all of its speaker's sentences in order before it shapes those that are wanted. So the bytes depend
neither on the number of workers nor on which turns are made.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

# The processes that make the speech run this file, so what only their parent needs is imported where it is used.
from sermodules.corpora import iemocap
from sermodules.errors import ConfigError, CorpusError

VERSION = 1
"""Version of the generator: it grows whenever the same seed gives other bytes."""

VARIANTS = ("synthetic", "synthetic-gender-irrelevant", "synthetic-gender-decisive")

SAMPLE_RATE = 16000

LENGTH = (1.5, 8.0)
"""Shortest and longest utterance, silence included, s. Speech that would not fit is made faster or slower."""

CUES = {
    #           pitch  range  slope  rate  intensity  dynamics  tilt
    "angry": (3.0, 1.5, 1.0, 1.15, 6.0, 1.25, 2.4),
    "sad": (-2.0, 0.6, -2.5, 0.82, -6.0, 0.8, -2.2),
    "happy": (5.0, 1.8, 3.0, 1.10, 3.0, 1.1, 1.0),
    "neutral": (0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0),
}
"""What an emotion does to a speaker's neutral voice.

The signs follow the reviews by Scherer (2003, *Speech Communication* 40, 227-256, table 2) and Juslin and Laukka
(2003, *Psychological Bulletin* 129, 770-814, table 7); the sizes are ours. Units, in order:

- pitch: median fundamental frequency, semitones. Up in anger and joy, down in sadness.
- range: factor on the excursions of pitch around its median, in semitones. Wide in anger and joy, narrow in sadness.
- slope: change of pitch from start to end of the utterance, semitones. Rising in joy and anger, falling in sadness.
- rate: factor on the speed of speech. Fast in anger and joy, slow in sadness.
- intensity: dB. Loud in anger, less so in joy, soft in sadness. A model that normalises each waveform sees it only as
  the distance between speech and room noise.
- dynamics: factor on the excursions of level around its maximum, in dB. Large in anger, small in sadness.
- tilt: slope of a filter, dB per octave around 1 kHz. High-frequency energy is strong in anger, weak in sadness.
"""

CUE_NAMES = ("pitch", "range", "slope", "rate", "intensity", "dynamics", "tilt")

SPREAD = (1.5, 0.15, 1.5, 0.07, 2.0, 0.08, 0.8)
"""Standard deviation of each cue over a class's utterances, in the units of :data:`CUES`; of a factor, its log's."""

STRENGTH = 0.3
"""Standard deviation of how strongly an utterance expresses its emotion, around 1."""

EFFORT = 0.25
"""Standard deviation of an utterance's vocal effort, which has nothing to do with its emotion, as a share of anger."""

FLIPPED = {"angry": "neutral", "neutral": "angry", "happy": "sad", "sad": "happy"}
"""Whose cues a class gets from the male speakers of ``synthetic-gender-decisive``."""

COUNTS = {
    "Ses01F": (3, 4, 2, 11),
    "Ses01M": (2, 6, 2, 9),
    "Ses02F": (2, 6, 2, 8),
    "Ses02M": (2, 4, 3, 11),
    "Ses03F": (2, 9, 3, 8),
    "Ses03M": (5, 6, 2, 9),
    "Ses04F": (3, 4, 2, 6),
    "Ses04M": (3, 4, 2, 11),
    "Ses05F": (2, 6, 4, 12),
    "Ses05M": (2, 5, 4, 12),
}
"""Improvised turns of ``synthetic`` per speaker: angry, sad, happy, neutral. IEMOCAP's counts, divided by about 11."""

CODES = {"angry": "ang", "sad": "sad", "happy": "hap", "neutral": "neu"}

SKIPPED = {
    "exc": ("happy", 1.2),
    "fru": ("angry", 0.6),
    "sur": ("happy", 0.8),
    "oth": ("neutral", 1.0),
    "xxx": ("neutral", 1.0),
}
"""Codes outside the four classes, with the emotion heard and its strength. A speaker has an ``exc`` and one other."""

OTHER = ("fru", "xxx", "sur", "fru", "oth")

FEMALE_VOICES = ("Female1", "Female2", "Female3", "Female4", "Female5")
MALE_VOICES = ("Male1", "Male2", "Male3", "Male4", "Male5")
VOICE_PITCH = dict(zip(FEMALE_VOICES + MALE_VOICES, (201, 225, 250, 200, 230, 106, 110, 120, 109, 116), strict=True))
"""Median fundamental frequency of espeak-ng's voices, measured, Hz."""

DIALOGS = ("{}F_impro01", "{}M_impro02", "{}F_impro03", "{}M_impro05a")

TEXTS = """\
The door was open.
I put it on the table.
She lives on this street.
They came by train.
We can start at nine.
It is on the top shelf.
He called this morning.
The shop opens at ten.
You can leave it here.
I saw him at the station.
The bus stops over there.
We had soup and some bread.
My sister works in the city.
There is a letter for you.
The water has to boil first.
I think it was a Tuesday.
The keys are in the drawer by the window.
We walked along the river and then back again.
He said that the parcel would come on Friday.
There were four chairs and a lamp in the room.
I will bring the papers when I come tomorrow.
She asked whether the library is open on Monday.
They painted the kitchen and the hall last spring.
The road to the village goes past the old mill.
You only have to sign the form and send it back.
He wears the green coat when he goes to work.
The train to the coast leaves from platform seven.
I usually have my coffee before I read the mail.
We bought the tickets at the counter near the stairs.
The neighbours have a garden with two apple trees.
My brother keeps his bicycle in the shed behind the house.
She turned left at the corner and went into the bank.
The meeting has been moved to Thursday because the larger room was taken.
I looked for the book on every shelf, and then it was under the newspaper.
When we got to the station, the clock above the door said half past six.
They told us that the office would be closed until the end of the month.
He took the plates from the table, washed them, and put them in the cupboard.
If you take the second street on the right, you will see the post office.
The man at the desk wrote down my name and gave me a number on a card.
We are going to need another box for the cups, the glasses and the bowls.
There is a small shop on the corner where they sell paper, pens, string and postcards from the town.
After the lesson she packed her bag, went down the stairs, and waited outside until the others had come.
My uncle has lived in the same house by the harbour since he was a boy, and he knows every boat there.
In the morning I went to the market for some onions and carrots, and on the way back I met your cousin.
They have put a new bench in front of the town hall, right next to the fountain, where the old tree used to be.
He told me that the bridge is being repaired, so all the cars have to go around by the road along the lake.
You can leave your coat in the room at the end of the hall, and then come up to the second floor with the others.
We spent the afternoon sorting the photographs by year, and in the end there were eleven boxes and one large envelope.
On Wednesday the children are going to the museum by bus, and their teacher has asked two of the parents to come \
along and help.
I have put the list of names on the wall beside the stairs, so that everybody can see in which room the lesson \
is and when it starts.
The river is wide and slow here, and on the other bank there are some fields, a church with a square tower, and \
a row of tall trees.
If nobody is at the desk, please ring the bell, write your name in the book, and take a seat in the room on the \
left until we call you.
The first thing that you see when you come in is a long table with a lamp on it, and behind it there is a map of \
the town.
I wrote to them at the beginning of the week and asked when the parts would be sent, and they said it would be \
the day after.
""".splitlines()
"""What is said: ordinary sentences that suit every emotion equally well. Every speaker says each at most once."""

SCRIPT = """\
Did you see the man who came to the door today?
I have been thinking about the house by the sea.
You never told me where you went that summer.
Come and sit down, there is something I want to say.
""".splitlines()
"""What is said in scripted dialogs: the same lines in every session, as in IEMOCAP."""

VOTES = {
    "ang": "Anger", "sad": "Sadness", "hap": "Happiness", "neu": "Neutral", "exc": "Excited",
    "fru": "Frustration", "sur": "Surprise", "oth": "Other",
}  # fmt: skip
RATINGS = {"ang": (2, 4, 4), "sad": (2, 2, 2), "hap": (4, 3, 3), "neu": (3, 2, 3), "exc": (4, 4, 4), "fru": (2, 3, 3)}
"""Valence, activation, dominance around which the raters of a turn vary, 1 to 5. Other codes: 3, 3, 3."""


def _rng(seed, *key):
    """Return the random generator that belongs to one thing: ``key`` is a path of integers."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _strata(rng, low, high, n):
    """Return n values, one from each nth of the (logarithmic) interval, in random order."""
    u = (rng.permutation(n) + rng.uniform(0.2, 0.8, n)) / n
    return low * (high / low) ** u


def _speakers(variant, seed):
    """Return the ten voices: speaker -> dict of base voice, pitch (Hz), formants, rate, range, expressivity, gain (dB).

    ``formants`` multiplies every formant, so it is the inverse of a factor on the length of the vocal tract.
    """
    common = variant != "synthetic"
    rng = _rng(seed, int(common), 0)
    names = list(COUNTS)
    if common:
        # Both speakers of a session get neighbouring values of each property, in random order, and the same base voice.
        def draw(low, high):
            values = np.sort(_strata(rng, low, high, 10)).reshape(5, 2)
            return rng.permuted(rng.permutation(values), axis=1).ravel()

        voices = np.repeat(rng.permutation(MALE_VOICES), 2)
        pitch, formants = draw(140, 180), draw(1.05, 1.15)
    else:

        def draw(low, high):
            return _strata(rng, low, high, 10)

        voices, pitch, formants = np.empty((3, 10), object)
        for start, choice, hertz, factor in (
            (0, FEMALE_VOICES, (175, 235), (1.03, 1.12)),
            (1, MALE_VOICES, (92, 135), (0.93, 1.02)),
        ):
            voices[start::2] = rng.permutation(choice)
            pitch[start::2], formants[start::2] = _strata(rng, *hertz, 5), _strata(rng, *factor, 5)
    columns = (voices, pitch, formants, draw(0.9, 1.12), draw(0.6, 0.85), draw(0.85, 1.2), draw(1, 1.4))
    return {
        name: {
            "voice": str(voice),
            "median": float(f0),
            "formants": float(k),
            "speed": float(rate),
            "span": float(span),
            "expressivity": float(expressivity),
            "gain": 20 * float(np.log10(gain)),
        }
        for name, voice, f0, k, rate, span, expressivity, gain in zip(names, *columns, strict=True)
    }


def plan(variant="synthetic", seed=0):
    """Say what will be spoken: every turn with its label, its text and its acoustic targets.

    Parameters
    ----------
    variant : {"synthetic", "synthetic-gender-irrelevant", "synthetic-gender-decisive"}
    seed : int
        Not negative. Voices, texts, order and cues depend on it.

    Returns
    -------
    pandas.DataFrame
        One row a turn, in the order of the dialogs: ``utterance, dialog, session, speaker, gender``; ``code``,
        IEMOCAP's code of the label; ``pattern``, the emotion of :data:`CUES` that is heard; ``text``; ``number``, of
        the turn among the speaker's; the speaker's ``voice``, ``median`` (Hz), ``formants``, ``speed``, ``span`` and
        ``gain`` (dB); the cues of :data:`CUE_NAMES` in the units of :data:`CUES`; ``pause`` (s) before the turn;
        ``before`` and ``after``, silence inside the file (s); ``room``, level of its noise (dB of full scale).

    Raises
    ------
    ConfigError
        If the variant is unknown or the seed is not an integer of at least 0.
    """
    import pandas as pd

    if variant not in VARIANTS:
        raise ConfigError(f"no synthetic corpus is called {variant!r}: choose one of {', '.join(VARIANTS)}.")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"seed is {seed!r}: it must be an integer of at least 0.")
    seed, common = int(seed), int(variant != "synthetic")
    turns = []
    for index, (speaker, voice) in enumerate(_speakers(variant, seed).items()):
        session = int(speaker[3:5])
        counts = (5, 5, 5, 5) if common else COUNTS[speaker]
        codes = [CODES[emotion] for emotion, n in zip(CUES, counts, strict=True) for _ in range(n)]
        codes += ["exc", OTHER[session - 1]]
        texts = list(_rng(seed, common, 1, index).permutation(TEXTS)[: len(codes)])
        scripted = [CODES[list(CUES)[(session + k) % 4]] for k in range(2)]
        texts += [SCRIPT[2 * k + (speaker[-1] == "M")] for k in range(2)]
        for number, (code, text) in enumerate(zip(codes + scripted, texts, strict=True)):
            emotion = next((e for e, c in CODES.items() if c == code), None)
            pattern, strength = (emotion, 1.0) if emotion else SKIPPED[code]
            if variant == "synthetic-gender-decisive" and speaker[-1] == "M":
                pattern = FLIPPED[pattern]
            rng = _rng(seed, common, 2, index, number)
            turns.append(
                {
                    "session": f"Ses{session:02d}",
                    "speaker": speaker,
                    "gender": "female" if speaker[-1] == "F" else "male",
                    "code": code,
                    "pattern": pattern,
                    "text": str(text),
                    "scripted": number >= len(codes),
                    "number": number,
                    **voice,
                    **_cues(pattern, strength * voice["expressivity"], rng),
                    "pause": rng.uniform(0.2, 1.0),
                    "before": rng.uniform(0.08, 0.3),
                    "after": rng.uniform(0.1, 0.4),
                    "room": -66 + 1.0 * session,
                }
            )
    return pd.DataFrame(_dialogs(turns, seed, common)).drop(columns=["scripted", "expressivity"])


def _cues(pattern, strength, rng):
    """Draw an utterance's cues: the pattern's, more or less strongly, plus vocal effort, plus each cue's own spread."""
    strength *= np.clip(rng.normal(1, STRENGTH), 0.2, 1.8)
    effort = rng.normal(0, EFFORT)
    cues = {}
    for name, target, anger, spread in zip(CUE_NAMES, CUES[pattern], CUES["angry"], SPREAD, strict=True):
        noise = np.clip(rng.normal(), -2.5, 2.5) * spread
        if name in ("range", "rate", "dynamics"):
            cues[name] = float(np.exp(strength * np.log(target) + effort * np.log(anger) + noise))
        else:
            cues[name] = float(strength * target + effort * anger + noise)
    return cues


def _dialogs(turns, seed, common):
    """Give every turn its dialog and name: in each, both speak in turn, in random order."""
    named = []
    for session in dict.fromkeys(turn["session"] for turn in turns):
        rng = _rng(seed, common, 3, int(session[3:]))
        mine = [turn for turn in turns if turn["session"] == session]
        improvised = [turn for turn in mine if not turn["scripted"]]
        improvised = [improvised[i] for i in rng.permutation(len(improvised))]
        dialogs = [(pattern.format(session), improvised[k :: len(DIALOGS)]) for k, pattern in enumerate(DIALOGS)]
        leader, suffix = ("F", "") if int(session[3:]) % 2 else ("M", "b")
        dialogs.append((f"{session}{leader}_script01_1{suffix}", [turn for turn in mine if turn["scripted"]]))
        for dialog, members in dialogs:
            seen = {"F": 0, "M": 0}
            for turn in members:
                letter = turn["speaker"][-1]
                named.append({"utterance": f"{dialog}_{letter}{seen[letter]:03d}", "dialog": dialog, **turn})
                seen[letter] += 1
    return named


def make(folder, *, variant="synthetic", seed=0, workers=None, progress=None, turns=None):
    """Make a synthetic corpus on disk, in the layout in which IEMOCAP is released.

    Parameters
    ----------
    folder : path-like
        Where the corpus goes. It is made if need be, and must be empty.
    variant : {"synthetic", "synthetic-gender-irrelevant", "synthetic-gender-decisive"}
    seed : int
        The same seed gives the same bytes on the same machine, whatever ``workers`` and ``turns`` are.
    workers : int, optional
        Processes at work at a time. Default: one a core.
    progress : bool, optional
        Whether to show a progress bar on stdout. Default: if stdout is a terminal.
    turns : iterable of str, optional
        Make only these turns, by name. Default: all of :func:`plan`.

    Returns
    -------
    pathlib.Path
        The folder. It holds ``SessionN/dialog/EmoEvaluation/<dialog>.txt``, ``SessionN/dialog/transcriptions``,
        ``SessionN/sentences/wav/<dialog>/<turn>.wav`` (16 kHz, 16 bit, mono) and ``README.txt``.

    Raises
    ------
    ConfigError
        If the variant, the seed, the number of workers or a turn is not one.
    CorpusError
        If the folder is not empty, or the synthesis fails.
    """
    import joblib
    from tqdm import tqdm

    table = plan(variant, seed)
    wanted = set(table["utterance"]) if turns is None else set(turns)
    if unknown := sorted(wanted - set(table["utterance"])):
        raise ConfigError(f"{variant} has no turn {', '.join(unknown)}. synthetic.plan() lists all turns.")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ConfigError(f"workers is {workers!r}: it must be an integer of at least 1, or None for one a core.")
    folder = Path(folder).expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CorpusError(f"{folder} is not an empty folder. Remove what is in it, or choose another folder.")
    kept = table[table["utterance"].isin(wanted)]
    for session, dialog in kept[["session", "dialog"]].drop_duplicates().itertuples(index=False):
        _wav(folder, session, dialog).mkdir(parents=True)
    jobs = [
        [
            {
                **turn,
                "path": str(_wav(folder, turn["session"], turn["dialog"]) / f"{turn['utterance']}.wav"),
                "made": turn["utterance"] in wanted,
                "key": [int(seed), int(variant != "synthetic"), 4, index, turn["number"]],
            }
            for turn in rows.sort_values("number").to_dict("records")
        ]
        for index, (_, rows) in enumerate(table.groupby("speaker", sort=True))
        if rows["utterance"].isin(wanted).any()
    ]
    hidden = not sys.stdout.isatty() if progress is None else not progress
    with tqdm(total=len(kept), desc=f"Making {variant}", unit="utterance", file=sys.stdout, disable=hidden) as bar:
        durations = _speak(jobs, workers or joblib.cpu_count(), bar)
    for dialog, rows in kept.groupby("dialog", sort=True):
        _write_dialog(folder, dialog, rows, durations, int(seed))
    _write(folder / "README.txt", _readme(variant, seed, len(kept), sum(durations.values())))
    return folder


def _wav(folder, session, dialog):
    """Return the folder of a dialog's recordings."""
    return folder / f"Session{int(session[3:])}" / "sentences" / "wav" / dialog


def _write(path, text):
    """Write a text file with the same bytes on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_dialog(folder, dialog, rows, durations, seed):
    """Write a dialog's evaluation and transcription: what IEMOCAP's raters and transcribers left."""
    evaluation = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    transcription, votes, clock = [], [], 0.0
    for turn in rows.to_dict("records"):
        name, code = turn["utterance"], turn["code"]
        rng = _rng(seed, 5, *name.encode())
        others = rng.permutation([vote for key, vote in VOTES.items() if key != code])
        agreed = [VOTES[code]] * 3 if code != "xxx" else list(others[:3])
        if code != "xxx" and rng.random() < 0.4:
            agreed[rng.integers(3)] = others[0]
        ratings = np.clip(np.array(RATINGS.get(code, (3, 3, 3))) + rng.integers(-1, 2, (3, 3)), 1, 5)
        start = clock + turn["pause"]
        clock = start + durations[name]
        mean = ", ".join(f"{value:.4f}" for value in ratings[:2].mean(axis=0))
        raters = ("E3", "E4", f"{turn['speaker'][-1]}1")
        evaluation.append(f"[{start:.4f} - {clock:.4f}]\t{name}\t{code}\t[{mean}]")
        evaluation += [f"C-E{k}:\t{vote};\t()" for k, vote in zip((2, 3, 4), agreed, strict=True)]
        evaluation += [f"C-{raters[2]}:\t{agreed[0]};\t()"]
        evaluation += [f"A-{r}:\tval {v}; act {a}; dom  {d};\t()" for r, (v, a, d) in zip(raters, ratings, strict=True)]
        evaluation.append("")
        transcription.append(f"{name} [{start:08.4f}-{clock:08.4f}]: {turn['text']}")
        votes.append(f"{name} :{agreed[0]}; ()")
    home = folder / f"Session{int(dialog[3:5])}" / "dialog"
    _write(home / "EmoEvaluation" / f"{dialog}.txt", "\n".join(evaluation) + "\n")
    _write(home / "EmoEvaluation" / "Categorical" / f"{dialog}_e2_cat.txt", "\n".join(votes) + "\n")
    _write(home / "transcriptions" / f"{dialog}.txt", "\n".join(transcription) + "\n")


def _readme(variant, seed, count, seconds):
    """Return the text that tells whoever finds the folder what it is."""
    import parselmouth

    about = {
        "synthetic": "Women's and men's voices, IEMOCAP's class imbalance.",
        "synthetic-gender-irrelevant": "Gender is not audible, and a class sounds the same whatever the gender label.",
        "synthetic-gender-decisive": "Gender is not audible, and the gender label decides what a sound stands for.",
    }[variant]
    return f"""\
{variant}: synthetic speech, not IEMOCAP

No person speaks in these recordings, and nothing in them comes from IEMOCAP but the layout of the folders.
espeak-ng read our own sentences; Praat (praat-parselmouth {parselmouth.__version__}) changed pitch, rate and formants.
The emotions are a fixed table of acoustic cues. Labels, votes and ratings were not given by people.
Use it to learn, to test and to demonstrate. A result on it says nothing about how well people's emotions are
recognised.

{about}

Made by sermodules.corpora.synthetic, version {VERSION}, seed {int(seed)}: {count} turns, {seconds / 60:.1f} minutes.
"""


def _speak(jobs, workers, bar):
    """Run one new process a job, ``workers`` at a time; return the duration of every turn in seconds."""
    durations, running = {}, []
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    env = {**os.environ, **threads, "PYTHONPATH": path, "PYTHONUTF8": "1"}
    text = {"encoding": "utf-8"}

    def speak(job):
        with tempfile.TemporaryFile("w+", **text) as order, tempfile.TemporaryFile("w+", **text) as log:
            json.dump(job, order)
            order.seek(0)
            command = [sys.executable, "-P", __file__]
            with subprocess.Popen(command, stdin=order, stdout=subprocess.PIPE, stderr=log, env=env, **text) as process:
                running.append(process)
                for line in process.stdout:
                    name, seconds = line.split()
                    durations[name] = float(seconds)
                    bar.update()
            if process.returncode:
                log.seek(0)
                problem = log.read().strip() or f"its process ended with status {process.returncode}."
                raise CorpusError(f"the speech of {job[0]['speaker']} could not be made.\n{problem}")

    with ThreadPoolExecutor(workers) as pool:
        try:
            list(pool.map(speak, jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                process.kill()
            raise
    return durations


def _main():
    """Speak a speaker's turns, given as JSON on stdin; print the name and duration of each when its file is written."""
    turns = json.load(sys.stdin)
    raw = [_say(turn) for turn in turns]
    for turn, sound in zip(turns, raw, strict=True):
        if turn["made"]:
            signal = _render(sound, turn)
            _save(signal, turn["path"])
            print(turn["utterance"], len(signal) / SAMPLE_RATE, flush=True)


def _say(turn):
    """Return espeak-ng's reading of a turn's text, near the speaker's pitch and speed, as a parselmouth.Sound."""
    from parselmouth.praat import call

    # The formant shift that follows multiplies pitch too.
    multiplier = np.clip(turn["median"] / turn["formants"] / VOICE_PITCH[turn["voice"]], 0.5, 2)
    synthesizer = call("Create SpeechSynthesizer...", "English (America)", turn["voice"])
    # sampling frequency, gap between words, pitch multiplier, pitch range multiplier, words a minute, phoneme codes
    call(synthesizer, "Speech output settings...", 22050, 0.01, multiplier, 2, round(165 * turn["speed"]), "IPA")
    result = call(synthesizer, "To Sound...", turn["text"], "no")
    return result[-1] if isinstance(result, list) else result


def _render(sound, turn):
    """Give a reading its speaker's voice and its emotion.

    Parameters
    ----------
    sound : parselmouth.Sound
        From :func:`_say`.
    turn : dict
        A row of :func:`plan`.

    Returns
    -------
    numpy.ndarray, shape (samples,)
        16 kHz, within ±0.9, 1.5 to 8 s long.
    """
    rng = np.random.default_rng(np.random.SeedSequence(turn["key"][0], spawn_key=turn["key"][1:]))
    speech = _level(_tilt(_psola(sound, turn, rng), turn["tilt"]), turn["dynamics"], turn["gain"] + turn["intensity"])
    before, after = (round(turn[side] * SAMPLE_RATE) for side in ("before", "after"))
    signal = np.concatenate([np.zeros(before), speech, np.zeros(after)])
    signal += _room(len(signal), turn["room"], rng)
    return signal * min(1, 0.9 / np.abs(signal).max())


def _psola(sound, turn, rng):
    """Change formants, pitch and duration in one pass of PSOLA; return samples at 16 kHz.

    Formants are shifted as by Praat's "Change gender": played faster by the factor, the sound has higher formants, and
    PSOLA then restores its duration and sets its pitch.
    """
    import parselmouth
    from parselmouth.praat import call

    sound = parselmouth.Sound(_trim(sound.values[0]), sound.sampling_frequency * turn["formants"])
    floor, ceiling = turn["median"] * 0.55, turn["median"] * 1.8
    manipulation = call(sound, "To Manipulation...", 0.01, floor, ceiling)
    pitch = call(manipulation, "Extract pitch tier")
    middle = call(sound.to_pitch(0.01, floor, ceiling), "Get quantile...", 0, 0, 0.5, "Hertz")
    # The excursions of the reading, in semitones, made wider or narrower, on a straight line.
    line = f"{turn['pitch']} + {turn['slope']} * ((x - xmin) / (xmax - xmin) - 0.5)"
    call(
        pitch, "Formula...", f"{turn['median']} * (self / {middle})^{turn['span'] * turn['range']} * 2^(({line}) / 12)"
    )
    call([pitch, manipulation], "Replace pitch tier")
    spoken, silence = sound.duration * turn["formants"], turn["before"] + turn["after"]
    factor = np.clip(1 / turn["rate"], (LENGTH[0] - silence) / spoken, (LENGTH[1] - silence) / spoken)
    duration = call("Create DurationTier...", "rate", 0, sound.duration)
    call(duration, "Add point...", 0, turn["formants"] * factor)
    call([duration, manipulation], "Replace duration tier")
    # Where speech has no pitch, Praat draws the periods that it lengthens or shortens at random.
    parselmouth.praat.run(f"random_initializeWithSeedUnsafelyButPredictably ({rng.integers(1, 2**31)})")
    return call(manipulation, "Get resynthesis (overlap-add)").resample(SAMPLE_RATE, 20).values[0]


def _power(signal, seconds=0.03):
    """Return the mean power around every sample."""
    half = round(seconds * SAMPLE_RATE / 2)
    total = np.cumsum(np.pad(signal**2, (half + 1, half)))
    return np.maximum(total[2 * half + 1 :] - total[: -2 * half - 1], 0) / (2 * half + 1)


def _trim(signal):
    """Cut the silence at both ends: what lies more than 45 dB below the loudest moment."""
    power = _power(signal)
    loud = np.flatnonzero(power > power.max() * 10**-4.5)
    return signal[loud[0] : loud[-1] + 1]


def _tilt(signal, slope):
    """Filter with a gain of ``slope`` dB per octave, 0 dB at 1 kHz, constant below 200 Hz."""
    frequency = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    octaves = np.log2(np.maximum(frequency, 200) / 1000)
    return np.fft.irfft(np.fft.rfft(signal) * 10 ** (slope * octaves / 20), len(signal))


def _level(signal, dynamics, gain):
    """Stretch the level's excursions below its maximum by ``dynamics`` and set the level of speech to -30 dB + gain."""
    power = _power(signal)
    below = np.clip(10 * np.log10(np.maximum(power / power.max(), 1e-9)), -30, 0)
    signal = signal * 10 ** ((dynamics - 1) * below / 20)
    power = _power(signal)
    speech = power[power > power.max() * 1e-3].mean()
    return signal * np.sqrt(10 ** ((gain - 30) / 10) / speech)


def _room(samples, level, rng):
    """Return the noise of a quiet room, ``level`` dB below full scale: 3 dB less with each octave."""
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal(samples)) / np.sqrt(np.maximum(frequency, 50))
    noise = np.fft.irfft(spectrum, samples)
    return noise * 10 ** (level / 20) / noise.std()


def _save(signal, path):
    """Write a 16-bit WAV file."""
    import wave

    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.round(signal * 32767).astype("<i2").tobytes())


def load(root, *, emotions="four", merge_excited=False, scripted=False):
    """Read a synthetic corpus with IEMOCAP's loader.

    Parameters
    ----------
    root : path-like
        The folder that :func:`make` filled.
    emotions, merge_excited, scripted
        As for :func:`sermodules.corpora.iemocap.load`.

    Returns
    -------
    pandas.DataFrame
        The utterance table.

    Raises
    ------
    CorpusError
        If the folder does not hold such a corpus, or one that another version of the generator made.
    ConfigError
        If an option is not allowed.
    """
    readme = Path(root) / "README.txt"
    made = re.search(r"synthetic, version (\d+)", readme.read_text(encoding="utf-8")) if readme.is_file() else None
    if made and int(made[1]) != VERSION:
        raise CorpusError(
            f"{root} was made by version {made[1]} of the generator, and this is version {VERSION}."
            " Delete the folder; the corpus is made anew at its next use."
        )
    return iemocap.load(root, emotions=emotions, merge_excited=merge_excited, scripted=scripted, check_counts=False)


if __name__ == "__main__":
    _main()
