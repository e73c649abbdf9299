"""What an unlearned model is compared with."""

from .fault import faults
from .tests import COMPARED, JUDGED, RETRAINED

YARDSTICKS = [
    *faults(
        "baselines/retrain.py",
        RETRAINED,
        ("retraining starts from the initialisation of the original", "return following, now", "return following, key"),
        (
            "retraining by the mean over |D_r|",
            "fit_params(fresh, before.objective, change.after",
            "fit_params(fresh, replace(before.objective, total=float(len(change.after))), change.after",
        ),
        (
            "retraining of several seeds by the mean over |D_r|",
            "fit_params(fresh, trained.objective, data",
            "fit_params(fresh, replace(trained.objective, total=float(len(data))), data",
        ),
        (
            "who is gone stops the retraining of a method",
            "valid, initial = stopping_pairs(state.valid, change.after.interactions), self",
            "valid, initial = state.valid, self",
        ),
        (
            "who is gone stops a retraining",
            "if valid is None else stopping_pairs(valid, retained)",
            "if valid is None else valid",
        ),
    ),
    *faults(
        "evaluation/membership/shadows.py",
        COMPARED,
        (
            "shadows halve only members",
            "for group in np.split(np.arange(len(asked)), [len(candidates.members)]):",
            "for group in [np.arange(len(candidates.members))]:",
        ),
        ("shadows have what was forgotten", "train=join(retained, asked", "train=join(split.train, asked"),
        ("who is gone stops the shadows", "valid=split.valid.select(survivors(retained, split.valid))", "valid=split.valid"),
        (
            "members that have nothing left",
            "members.select(survivors(retained, members))",
            "members.select(survivors(split.train, members))",
        ),
    ),
    *faults(
        "evaluation/views.py",
        COMPARED,
        ("test pairs are survivors of the training data", "survivors(retained, split.test)", "survivors(train, split.test)"),
        ("forgotten pairs are survivors of the training data", "survivors(retained, forgotten)", "survivors(train, forgotten)"),
        (
            "lists leave out only the retained",
            "top_lists(model.score_grid, self.train,",
            "top_lists(model.score_grid, self.retained,",
        ),
        ("lists have items without data", "self.users, known=self.retained,", "self.users, known=self.train,"),
    ),
    *faults(
        "evaluation/verification.py",
        COMPARED,
        ("the oracle is told of all data", "audit(model, candidates, views.unchanged,", "audit(model, candidates, views.train,"),
        (
            "the oracle is told of corrected labels",
            "audit(model, candidates, views.unchanged,",
            "audit(model, candidates, views.retained,",
        ),
    ),
    *faults(
        "evaluation/measures.py",
        JUDGED,
        ("few retrained models are sure", "unseen = len(models.retrained) < SEEN_FROM", "unseen = False"),
        (
            "forgotten pairs count whatever the gap",
            "rms(a.forgotten, b.forgotten)), beside=gap)",
            "rms(a.forgotten, b.forgotten)))",
        ),
    ),
    *faults(
        "evaluation/verdicts.py",
        JUDGED,
        ("what has no power passes", 'shows = group == "quality" or power is None or found.telling', "shows = True"),
    ),
    *faults(
        "evaluation/membership/audit.py",
        COMPARED,
        (
            "the oracle counts degrees in what it is asked about",
            "features(model.score_rows(pairs.users, pairs.items), pairs, retained)",
            "features(model.score_rows(pairs.users, pairs.items), pairs, pairs)",
        ),
    ),
]
