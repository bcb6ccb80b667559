"""A speaker's centre and scale from chosen recordings: by hand, and where theory says what is best."""

import numpy as np
import pytest

from sermodules.folds import segments, voices


def speakers_of(rng, speakers, recordings, between, within, features=3):
    """Return functionals, one row a recording, of speakers whose means scatter and whose recordings scatter around them."""
    means = rng.normal(5, between, (speakers, features))
    values = means[:, None] + rng.normal(0, within, (speakers, recordings, features))
    names = np.repeat([f"S{i}" for i in range(speakers)], recordings)
    return values.reshape(-1, features), names, means


def moments_of(values):
    return voices.Moments.measure(values[:, None])


def everything(names):
    return [np.flatnonzero(names == name) for name in names]


def test_a_speaker_by_all_recordings_is_standardise_speaker():
    import pandas as pd

    rng = np.random.default_rng(1)
    features = {name: rng.normal(3, 2, (length, 40, 3)).astype(np.float32) for name, length in (("a", 50), ("b", 90))}
    moments = voices.Moments.measure(features.values())
    learned = voices.Voices.learn("speaker", moments, np.array(["F1", "F1"]), [np.arange(2)] * 2)
    mean, sd = learned.statistics(moments)
    table = pd.DataFrame({"utterance": ["a", "b"], "speaker": "F1"})
    known = segments.SpeakerStandardiser.fit(features, table).of("F1")
    np.testing.assert_allclose(mean, known.mean, rtol=1e-6)
    np.testing.assert_allclose(sd, known.sd, rtol=1e-6)


def test_centre_leaves_training_speakers_with_mean_0_and_sd_1_and_a_new_one_without_a_mean():
    values, names, _ = speakers_of(np.random.default_rng(2), 30, 20, 4, 1)
    moments = moments_of(values)
    learned = voices.Voices.learn("centre", moments, names, everything(names))
    found = [learned.statistics(moments[known]) for known in everything(names)]
    left = np.stack([(x - mean) / sd for x, (mean, sd) in zip(values, found, strict=True)])
    np.testing.assert_allclose(left.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(left.std(axis=0), 1, atol=1e-9)
    own = np.random.default_rng(3).normal(40, 1, (200, 3))
    mean, sd = learned.statistics(moments_of(own))
    np.testing.assert_allclose(mean, own.mean(axis=0) + learned.offset)
    np.testing.assert_array_equal(sd, learned.sd)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_shrinking_finds_the_variances_and_comes_nearest_to_the_true_mean(count):
    rng = np.random.default_rng(4)
    values, names, _ = speakers_of(rng, 300, 20, 2, 3, features=1)
    moments = moments_of(values)
    learned = voices.Voices.learn("shrunk", moments, names, everything(names))
    assert learned.between[0] == pytest.approx(4, rel=0.25) and learned.within[0] == pytest.approx(9, rel=0.05)
    new, _, truth = speakers_of(rng, 2000, count, 2, 3, features=1)
    new = new.reshape(2000, count, 1)
    shrunk = np.stack([learned.centre(moments_of(mine)) for mine in new])

    def error(centres):
        return float(((centres - truth) ** 2).mean())

    best = 1 / (1 / 4 + count / 9)  # the variance of a normal mean after `count` observations
    assert error(shrunk) == pytest.approx(best, rel=0.1)
    assert error(shrunk) < error(new.mean(axis=1)) and error(shrunk) < error(np.full_like(truth, 5))


def test_speakers_that_do_not_differ_get_the_mean_of_all():
    values = np.tile([[1.0], [3.0]], (6, 1))
    names = np.repeat(["A", "B", "C"], 4)
    learned = voices.Voices.learn("shrunk", moments_of(values), names, everything(names))
    assert learned.between[0] == 0
    assert learned.centre(moments_of(np.array([[9.0]])))[0] == 2


def test_one_recording_of_functionals_has_no_spread():
    values, names, _ = speakers_of(np.random.default_rng(5), 4, 3, 1, 1)
    learned = voices.Voices.learn("speaker", moments_of(values), names, everything(names))
    mean, sd = learned.statistics(moments_of(values[:1]))
    np.testing.assert_array_equal((values[0] - mean) / sd, 0)


def test_statistics_of_other_recordings_do_not_see_those_that_are_judged():
    values, names, _ = speakers_of(np.random.default_rng(6), 5, 8, 2, 1)
    odd = np.arange(len(names)) % 2
    known = [np.flatnonzero((names == name) & (odd != side)) for name, side in zip(names, odd, strict=True)]
    before = voices.Voices.learn("centre", moments_of(values), names, known)
    assert not np.allclose(before.sd, voices.Voices.learn("centre", moments_of(values), names, everything(names)).sd)


def test_draws_depend_on_names_and_seed_alone():
    names = [f"u{i}" for i in range(20)]
    assert voices.draw(names, 5, 1) == voices.draw(names[::-1], 5, 1)[:5]
    assert voices.draw(names, 3, 1) == voices.draw(names, 10, 1)[:3] and voices.draw(names, 5, 1) != voices.draw(
        names, 5, 2
    )
    assert len(voices.draw(names, 50, 1)) == 20
    first = voices.halves(["a", "b", "b", "c", "d"], "S1", 1)
    assert len(first) == 2 and first < {"a", "b", "c", "d"}
    assert len({frozenset(voices.halves("abcdefghijkl", f"S{i}", 1)) for i in range(20)}) > 10
