"""How far up recordings reach, whatever their files' rate is, and what `sermodules corpora check` says of it."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from click.testing import CliRunner
from conftest import write_tones

from sermodules import corpora
from sermodules.__main__ import main
from sermodules.corpora import audio, bandwidth


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
@pytest.mark.parametrize(("limit", "expected"), [(8000, 4000), (11025, 5500), (16000, 8000)])
def test_the_band_is_found_at_any_rate_of_the_file(tmp_path, rate, limit, expected):
    noise = 0.1 * np.random.default_rng(1).standard_normal(limit)
    soundfile.write(tmp_path / "x.wav", soxr.resample(noise, limit, rate, quality="VHQ"), rate, subtype="PCM_16")
    assert bandwidth.effective(tmp_path / "x.wav") == pytest.approx(min(expected, rate / 2), rel=0.05)


def test_a_part_and_a_moment_count_by_themselves(tmp_path):
    rng = np.random.default_rng(2)
    low = soxr.resample(0.1 * rng.standard_normal(8000), 8000, 16000, quality="VHQ")
    soundfile.write(tmp_path / "x.wav", np.r_[low, 0.1 * rng.standard_normal(16000)], 16000, subtype="FLOAT")
    assert bandwidth.effective(audio.Excerpt(str(tmp_path / "x.wav"), 0, 0.9)) < 4100
    assert bandwidth.effective(tmp_path / "x.wav") > 7900
    soundfile.write(tmp_path / "short.wav", 0.1 * rng.standard_normal(400), 16000)
    assert bandwidth.effective(tmp_path / "short.wav") > 7500


def test_real_speech_reaches_up_and_ends_where_it_went_through_a_lower_rate(emodb, tmp_path):
    table = emodb.iloc[::40].reset_index(drop=True)
    assert bandwidth.measure(table).min() > 7500
    for number, path in enumerate(table["path"]):
        lowered = soxr.resample(soxr.resample(audio.read(path), 16000, 8000), 8000, 16000)
        soundfile.write(tmp_path / f"{number}.wav", lowered, 16000, subtype="PCM_16")
    lowered = table.assign(path=[str(tmp_path / f"{number}.wav") for number in range(len(table))])
    assert bandwidth.measure(lowered).max() < 4100


def test_check_names_the_recordings_that_end_early_and_only_those(tmp_path):
    path = write_tones(tmp_path)
    table, rng = pd.read_csv(path), np.random.default_rng(3)
    for name in table["path"]:
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(16000), 16000)
    told = CliRunner().invoke(main, ["corpora", "check", f"table:{path}"])
    assert told.exit_code == 0 and "all recordings reach up to 8.0 kHz" in told.output and "mixes" not in told.output
    narrow = table.index[(table["speaker"] == "A1") & (table["emotion"] == "sad")]
    for name in table.loc[narrow, "path"]:
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(8000), 8000)
    told = CliRunner().invoke(main, ["corpora", "check", f"table:{path}"])
    assert f"The corpus mixes band limits: {len(narrow)} of {len(table)} end at 4.0 kHz or below" in told.output
    assert f"Of the classes sad ({len(narrow)} of {(table['emotion'] == 'sad').sum()})." in told.output
    names = corpora.load(f"table:{path}").set_index("path")["utterance"]
    for recording, name in names.items():
        assert (f"  {name}: 4.0 kHz" in told.output) == (
            recording in {str(tmp_path / p) for p in table.loc[narrow, "path"]}
        )
