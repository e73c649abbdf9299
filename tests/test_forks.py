"""What was forked while JAX was running is told so instead of waiting for ever; other ways to start a process work."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

MODEL = """
    import multiprocessing, os, signal, sys, warnings
    import jax, numpy as np
    import ifru_jax

    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.choice(1200, 500, replace=False), 40)
    split = ifru_jax.random_split(ifru_jax.Interactions.from_arrays(users, items, (users + items) % 2))
    config = ifru_jax.TrainConfig(epochs=2)

    def fit(key=None):
        key = jax.random.key(0) if key is None else key
        return ifru_jax.fit(key, ifru_jax.mf(embedding_size=4), split, config=config, progress=False)

    def in_child(run):
        # Whatever waits for ever ends with a signal.
        child = os.fork()
        if not child:
            signal.alarm(60)
            status = 1
            try:
                run()
                status = 0
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    warnings.simplefilter("ignore")  # JAX's own, at every fork
"""


def run(code, *arguments):
    script = textwrap.dedent(MODEL) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    return done.stdout


def test_every_call_says_why_it_cannot_go_on(tmp_path):
    code = """
        key = jax.random.key(0)
        trained = fit(key)
        request = ifru_jax.ForgetRequest.of(trained.interactions, users=[3])
        path = sys.argv[1]
        ifru_jax.save(trained, path)
        calls = {
            "fit": lambda: fit(key),
            "unlearn": lambda: ifru_jax.unlearn(trained, users=[3]),
            "evaluate": lambda: ifru_jax.evaluate(trained, split.test),
            "recommend": lambda: ifru_jax.recommend(trained, users=[3]),
            "score": lambda: ifru_jax.score(trained, users=[3], items=[5]),
            "save": lambda: ifru_jax.save(trained, path),
            "load": lambda: ifru_jax.load(path),
            "retrain": lambda: ifru_jax.retrain(key, trained, request, split.valid),
            "verify": lambda: ifru_jax.verify(trained, trained, [trained], split, request),
            "warm_up": lambda: ifru_jax.warm_up(trained, config=ifru_jax.IFRUConfig(scope=())),
        }

        def refused():
            for name, call in calls.items():
                try:
                    call()
                except ifru_jax.IfruError as error:
                    assert 'get_context("spawn")' in str(error), (name, error)
                else:
                    raise AssertionError(name)

        def refused_further_down():
            assert in_child(refused) == 0

        assert in_child(refused) == 0
        assert in_child(refused_further_down) == 0
        ifru_jax.unlearn(trained, users=[3])  # the parent goes on
    """
    run(code, str(tmp_path / "model.npz"))


def test_a_pool_of_forked_processes_passes_the_error_on():
    code = """
        trained = fit()

        def ask(user):
            return ifru_jax.recommend(trained, users=[user])

        with multiprocessing.get_context("fork").Pool(1) as pool:
            try:
                pool.apply_async(ask, (3,)).get(60)
            except ifru_jax.IfruError as error:
                print(error)
    """
    assert "forked after JAX had started" in run(code)


def test_jax_that_was_started_by_others_counts_too():
    code = """
        jax.random.key(0)

        def told():
            try:
                ifru_jax.load("nowhere")
            except ifru_jax.IfruError as error:
                assert "forked" in str(error), error
            else:
                raise AssertionError

        assert in_child(told) == 0
    """
    run(code)


def test_what_is_forked_before_jax_starts_computes():
    run("assert in_child(fit) == 0; assert in_child(fit) == 0")
