"""Recipes in and out, `--set`, and what a refusal of a recipe says."""

import tomllib
from pathlib import Path

import pytest

from cohort.config.load import dump_recipe, find_recipe, load_recipe, read_recipe
from cohort.config.overrides import parse_value
from cohort.config.recipe import Recipe
from cohort.errors import RecipeError

RECIPE = """
model = "some/model"
[[stage]]
kind = "supervised"
problems = "chain"
steps = 800
[[stage]]
kind = "reinforce"
problems = "chain"
algorithm = "grpo"
rewards = { correct = 1, "mine.py:short" = { weight = 0.5, words = 20 } }
steps = 60
[[stage]]
kind = "evaluate"
name = "after"
problems = "chain"
rewards = { correct = 1.0 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    return path


def refusal(file: Path, *overrides: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        load_recipe(file, overrides)
    assert len(str(caught.value).splitlines()) <= 6
    return caught.value


def test_every_default_is_written_and_reading_it_again_gives_an_equal_recipe(file: Path) -> None:
    recipe = load_recipe(file)
    text = dump_recipe(recipe)
    assert "updates_per_step = 1" in text
    assert read_recipe(tomllib.loads(text)) == recipe


def test_arguments_of_rewards_and_changes_of_algorithms_survive_being_written(file: Path) -> None:
    recipe = load_recipe(file, ["stage.1.algorithm.beta=0.1"])
    again = read_recipe(tomllib.loads(dump_recipe(recipe)))
    assert again.stage[1].algorithm.changes == {"beta": 0.1}
    assert again.stage[1].rewards["mine.py:short"].arguments == {"words": 20}


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("stage.0.steps=50", ("stage", 0, "steps"), 50),
        ("stage.reinforce.steps=50", ("stage", 1, "steps"), 50),
        ("stage.after.temperature=0.5", ("stage", 2, "temperature"), 0.5),
        ("stage.1.optimizer.learning_rate=1e-4", ("stage", 1, "optimizer", "learning_rate"), 1e-4),
        ("stage.1.algorithm.beta=0.1", ("stage", 1, "algorithm", "beta"), 0.1),
        ("stage.0.problems.options.numbers=[3, 4]", ("stage", 0, "problems", "options"), {"numbers": [3, 4]}),
        ("stage.1.rewards.correct=2", ("stage", 1, "rewards", "correct", "weight"), 2),
        ("stage.1.rewards.correct.weight=2", ("stage", 1, "rewards", "correct", "weight"), 2),
        ('stage.1.rewards."mine.py:short".words=5', ("stage", 1, "rewards", "mine.py:short", "words"), 5),
        ("model=other", ("model", "path"), "other"),
        ("model.dtype=bfloat16", ("model", "dtype"), "bfloat16"),
        ("seed = 7", ("seed",), 7),
    ],
)  # fmt: skip
def test_set_reaches_every_option(
    file: Path, override: str, path: tuple[str | int, ...], value: object
) -> None:
    found: object = load_recipe(file, [override])
    for part in path:
        found = found[part] if isinstance(found, (list, dict)) else getattr(found, str(part))
    assert found == value


def test_set_through_a_short_form_keeps_what_the_short_form_said(file: Path) -> None:
    stage = load_recipe(file, ["stage.1.algorithm.beta=0.1", "stage.1.problems.split=test"]).stage[
        1
    ]
    assert (stage.algorithm.name, stage.problems.source) == ("grpo", "chain")


def test_a_later_set_wins(file: Path) -> None:
    assert load_recipe(file, ["seed=2", "seed=3"]).seed == 3


def test_set_does_not_change_the_tables_it_was_given() -> None:
    from cohort.config.overrides import apply_overrides

    data = {"stage": [{"kind": "evaluate", "problems": "chain"}]}
    apply_overrides(data, ["stage.0.problems.split=test"])
    assert data == {"stage": [{"kind": "evaluate", "problems": "chain"}]}


@pytest.mark.parametrize(
    ("text", "value"),
    [("50", 50), ("1e-4", 1e-4), ("true", True), ("[3, 4]", [3, 4]), ("a/b.jsonl", "a/b.jsonl"),
     ('"50"', "50"), ("{ a = 1 }", {"a": 1}), ("", ""), ("1\nother = 2", "1\nother = 2")],
)  # fmt: skip
def test_a_value_is_toml_or_else_text(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("stage.1.stpes=5", "stage.1.stpes is not an option of a reinforce stage", "stage.1.steps?"),
        ("stage.1.learning_rate=5", "stage.1.learning_rate is not", "stage.1.optimizer.learning_rate?"),
        ("stage.0.optimizer.beta3=1", "stage.0.optimizer.beta3 is not", "stage.0.optimizer.beta"),
        ("sede=5", "sede is not an option", "did you mean seed?"),
        ("zzzz=5", "zzzz is not an option", "seed, threads, model, checkpoints, track, stage"),
        ("stage.0.steps=many", 'stage.0.steps is "many": expected a whole number', "Optimizer updates"),
        ("stage.0.steps=1.5", "stage.0.steps is 1.5: expected a whole number", "Optimizer updates"),
        ("stage.0.steps=true", "stage.0.steps is true: expected a whole number", ""),
        ("stage.0.steps=0", "stage.0.steps is 0: expected at least 1", ""),
        ('stage.0.steps="50"', 'stage.0.steps is "50": expected a whole number', ""),
        ("stage.1.temperature=inf", "stage.1.temperature.start is Infinity: expected a finite number", ""),
        ("stage.1.rewards.correct=yes", 'correct.weight is "yes": expected a number', ""),
        ("stage.1.optimizer.schedule=cos", "'constant', 'cosine' or 'linear'", ""),
        ("stage.1.kind=reinfroce", "no such kind of stage", "did you mean reinforce?"),
        ("stage.7.steps=5", "0 (supervised), 1 (reinforce), 2 (after)", "numbered from 0"),
        ("stage.afetr.slots=5", "names the stage afetr", "did you mean stage.after?"),
        ("stage.0.steps.more=5", "stage.0.steps is 800, not a table", "--set stage.0.steps="),
        ("stage.0=5", "names no option of a stage", ""),
        ("seed", "not of the form option=value", ""),
        ("=5", "not of the form option=value", ""),
        ("a b=5", "not of the form option=value", ""),
        ('model={ path = "a", new = {} }', "either path or new", ""),
    ],
)  # fmt: skip
def test_a_refusal_names_the_place_and_the_remedy(
    file: Path, override: str, message: str, hint: str
) -> None:
    error = refusal(file, override)
    assert message in error.message
    assert hint in error.hint


def test_a_misspelt_key_is_reported_before_the_key_that_it_leaves_missing(file: Path) -> None:
    file.write_text(RECIPE.replace("steps = 800", "stpes = 800"))
    assert "stage.0.stpes" in refusal(file).message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 800", "", "mine.toml: stage.0.steps is missing"),
        ('kind = "supervised"', "", "mine.toml: stage.0 has no kind"),
        ('model = "some/model"', "", "mine.toml: model is missing"),
        ("steps = 800", "steps = 8OO", "mine.toml is not TOML"),
        ("steps = 800", "steps = 800\nsteps = 900", "line 7"),
    ],
)
def test_a_broken_file_is_named(file: Path, old: str, new: str, message: str) -> None:
    file.write_text(RECIPE.replace(old, new))
    assert message in refusal(file).message


def test_an_empty_file_and_one_that_is_not_text_are_refused(file: Path) -> None:
    file.write_text("")
    assert "model is missing" in refusal(file).message
    file.write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8 text" in refusal(file).message


def test_a_missing_file_names_the_nearest_recipe_or_file(file: Path) -> None:
    assert refusal(Path("chian")).hint == "did you mean chain?"
    assert refusal(file.with_name("mien.toml")).hint == f"did you mean {file}?"
    assert "packaged recipes: calculator, cat-rubric, cat, chain" in refusal(Path("zzzzzz")).hint


def test_a_folder_is_no_recipe_and_names_the_one_inside(file: Path) -> None:
    error = refusal(file.parent)
    assert "is a folder" in error.message
    assert str(file) in error.hint


def test_the_name_of_a_packaged_recipe_is_a_recipe_unless_a_file_has_that_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe(Path("chain")).name == "chain.toml"
    (tmp_path / "chain").write_text(RECIPE)
    assert isinstance(load_recipe(Path("chain")), Recipe)
    assert find_recipe(Path("chain")) == Path("chain")


DAMAGED = {
    "a number of 5,000 digits": (b"\nseed = " + b"9" * 5000, "line 2 has more digits"),
    "a number of 65 bits": (
        b"seed = 0x1ffffffffffffffff",
        "seed is a whole number of more than 64",
    ),
    "nested without end": (b"\na = " + b"[" * 20_000, "line 2 is nested too deep"),
    "nested too deep": (b"a = " + b"[" * 30 + b"]" * 30, "is nested more than 20 deep"),
    "a key that tomllib needs hours for": (b"a." * 400_000 + b"b = 1", "line 1 has a key of more"),
    "a NUL character": (b'model = "a\\u0000b"', "model has a NUL character"),
    "not UTF-8": (b"seed = 1\n# \xe9", "line 2 is not UTF-8 text: byte 0xe9"),
    "a megabyte": (b"# more\n" * 200_000, "has more than 1,000,000 bytes"),
    "cut": (b"seed = 1\nmodel = ", "at the end, line 2"),
    "an option given twice": (b"seed = 1\nseed = 1\n", "an option is given once"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_no_recipe_can_be_is_refused_with_its_line_or_option(
    tmp_path: Path, name: str
) -> None:
    content, says = DAMAGED[name]
    (tmp_path / "mine.toml").write_bytes(content)
    error = refusal(tmp_path / "mine.toml")
    assert says in str(error)
    assert "mine.toml" in error.message


def test_a_byte_order_mark_is_not_part_of_a_recipe(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(load_recipe(file).stage) == 3


def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    for name in ("a" * 300 + ".toml", "a\0b.toml", "loop.toml", "a/" * 3000):
        with pytest.raises(RecipeError):
            find_recipe(tmp_path / name)


def test_a_recipe_in_a_folder_whose_name_is_no_text_is_refused_before_anything_runs(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "\udcff"
    folder.mkdir()
    (folder / "mine.toml").write_text(RECIPE)
    with pytest.raises(RecipeError, match="is not UTF-8"):
        find_recipe(folder / "mine.toml")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (f"stage.{'9' * 5000}.steps=1", "--set names the stage 999"),
        ("seed=" + "9" * 5000, "it has more digits"),
        ("seed=" + "[" * 3000, "it is nested too deep"),
        ("a." * 3000 + "b=1", "it has a key of more than 60 parts"),
        ("stage.0.name=\udcff", "is not UTF-8"),
        ('stage.0.name="\\u0000"', "it has a NUL character"),
        ("stage.1.rewards.correct.x=nan", "stage.1.rewards.correct.x is nan"),
        ("stage.0.steps=1000000001", "expected at most 1000000000"),
        ("stage.1.optimizer.learning_rate=1e7", "expected at most 1000000"),
        ("stage.1.reward_scale=0", "there is nothing to learn"),
        ('stage.0."a\\nb\\u001b"=1', r'stage.0."a\nb\x1b" is not an option'),
        ("model={ new = { hidden = 1000000, heads = 2, key_value_heads = 2 } }", "is a small one"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(file: Path, override: str, says: str) -> None:
    assert says in refusal(file, override).message


def test_a_contradiction_names_the_file_it_is_in(file: Path) -> None:
    assert refusal(file, "stage.1.reward_scale=0").message.startswith("mine.toml: ")
