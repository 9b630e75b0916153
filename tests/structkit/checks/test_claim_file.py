"""A user's claims: numbers written and stored, verdicts, and every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from structkit.checks.audit import audit
from structkit.checks.claim_file import parse_claims, read_claims, read_study
from structkit.checks.claims import KINDS, check_claim, find_kind
from structkit.checks.judge import ClaimVerdict, Outcome
from structkit.errors import ReadError, SchemaError

SUPPORTED, OPEN, CONTRADICTED = ClaimVerdict

TABLES = {
    "conductivity.csv": """\
sample,temperature_K,history,contribution,sigma_S_per_cm,std,in_band,remark
4h,298.15,heating,total,4.41e-3,1.5e-4,1,
4h,248.15,heating,bulk,,,0,apex above the band
4h,248.15,heating,total,4.3e-4,1.5e-5,1,
ntc,298.15,heating,total,1.1e-4,4e-6,1,
old,298.15,heating,total,5e-4,,1,
pellet,298.15,heating,bulk,1e-6,2e-8,1,
pellet,373.15,heating,bulk,1e-5,2e-7,1,
pellet,373.15,heating,grain_boundary,3e-6,1e-7,1,
clean,373.15,heating,bulk,1e-5,2e-7,1,
""",
    "arrhenius.csv": """\
sample,contribution,convention,activation_energy_eV,std,ln_prefactor,n_points
4h,total,ln_sigma_T,0.322,0.006,10,8
4h,total,ln_sigma,0.297,0.006,9,8
vague,total,ln_sigma_T,0.34,0.09,10,3
""",
    "nmr_composition.csv": """\
sample,quantity,value,std,low,high,remark
4h,x,0.036,0.004,0.028,0.045,
4h,x_equation_1,0.0625,0.001,0.0605,0.0645,
wide,x,0.05,0.04,-0.02,0.13,not above zero
none,x,,,,,area of NTOC is not resolved
""",
    "raman_metrics.csv": """\
sample,milling_time_h,metric,value,std,low,high,resolved,remark
4h,4,r_O,0.2,0.02,0.16,0.24,1,
""",
    "amorphous.csv": """\
sample,milling_time_h,method,applicable,reason,primary,value,std,low,high
4h,4,closure,1,,1,0.93,0.02,0.89,0.96
4h,4,area,1,,0,0.80,0.05,0.70,0.90
""",
    "phases.csv": """\
sample,phase,weight_fraction_crystalline,weight_fraction_crystalline_std,detection_limit
4h,NaCl,1.0,0.01,0.002
4h,NaTaCl6,0.001,0.002,0.008
4h,Na2O,0.0,0.001,0.004
2h,NaCl,0.9,0.01,0.002
2h,NaTaCl6,0.1,0.01,0.02
1h,NaCl,0.99,0.01,0.002
1h,NaTaCl6,0.01,0.02,0.06
odd,NaCl,1.0,0.01,0.002
odd,NaTaCl6,0.2,,0.005
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with results in ``OUT``."""
    (tmp_path / "OUT" / "tables").mkdir(parents=True)
    for name, text in TABLES.items():
        (tmp_path / "OUT" / "tables" / name).write_text(text)
    return tmp_path


def check(text: str, folder: Path) -> Outcome:
    """Return what becomes of the one claim in a text."""
    statement = '[[claim]]\nstatement = "it is so"\n'
    (claim,) = parse_claims(statement + text, name="claims.toml", folder=folder)
    return check_claim(claim)


RATIO = """kind = "conductivity_ratio"
numerator = {{ from = "OUT", sample = "4h", temperature_K = 298 }}
denominator = {{ from = "OUT", sample = "{other}" }}
more_than = {limit}
"""
VALUE = """kind = "{kind}"
value = {{ from = "OUT", {where} }}
{claim}
"""
ONLY = """kind = "only_crystalline"
phase = "{phase}"
rows = {{ from = "OUT", sample = "{sample}" }}
"""
BOUNDARY = """kind = "no_grain_boundary"
rows = {{ from = "OUT", sample = "{sample}", temperature_K = {kelvin} }}
"""


@pytest.mark.parametrize(
    ("other", "limit", "verdict"),
    [
        ("ntc", 30, SUPPORTED),
        ("ntc", 40, OPEN),
        ("ntc", 50, CONTRADICTED),
        ("old", 5, OPEN),  # no uncertainty stored
    ],
)
def test_ratio_of_stored_conductivities(
    folder: Path, other: str, limit: int, verdict: ClaimVerdict
) -> None:
    found = check(RATIO.format(other=other, limit=limit), folder)
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("kind", "where", "claim", "verdict"),
    [
        ("activation_energy", 'sample = "4h"', 'equals = "0.32 eV"', SUPPORTED),
        ("activation_energy", 'sample = "4h"', 'equals = "0.36 eV"', CONTRADICTED),
        ("activation_energy", 'sample = "vague"', 'equals = "0.32 eV"', OPEN),
        (
            "activation_energy",
            'sample = "4h", convention = "ln_sigma"',
            "equals = 0.32",
            CONTRADICTED,
        ),
        ("oxide_content", 'sample = "4h"', 'equals = "0.06"', CONTRADICTED),
        (
            "oxide_content",
            'sample = "4h", quantity = "x_equation_1"',
            'equals = "0.06"',
            SUPPORTED,
        ),
        ("oxide_content", 'sample = "4h"', "more_than = 0", SUPPORTED),
        ("oxide_content", 'sample = "wide"', "more_than = 0", OPEN),
        ("oxide_content", 'sample = "wide"', 'equals = "0.06"', OPEN),
        (
            "conductivity",
            'sample = "4h", temperature_K = 298',
            'more_than = "1 mS/cm"',
            SUPPORTED,
        ),
        (
            "raman_metric",
            'sample = "4h", metric = "r_O"',
            "less_than = 0.1",
            CONTRADICTED,
        ),
        ("amorphous_fraction", 'sample = "4h"', 'equals = "93 %"', SUPPORTED),
        (
            "amorphous_fraction",
            'sample = "4h"',
            "more_than = 0.5\nless_than = 0.9",
            OPEN,
        ),
    ],
)
def test_stored_values(
    folder: Path, kind: str, where: str, claim: str, verdict: ClaimVerdict
) -> None:
    found = check(VALUE.format(kind=kind, where=where, claim=claim), folder)
    assert found.verdict is verdict
    assert "claimed: " in found.arithmetic


@pytest.mark.parametrize(
    ("sample", "phase", "verdict"),
    [
        ("4h", "NaCl", SUPPORTED),
        ("2h", "NaCl", CONTRADICTED),
        ("1h", "NaCl", OPEN),  # NaTaCl6 below 6 wt% cannot be seen
        ("4h", "TaCl5", CONTRADICTED),  # NaCl is there
        ("odd", "NaCl", OPEN),  # no uncertainty
    ],
)
def test_only_crystalline(
    folder: Path, sample: str, phase: str, verdict: ClaimVerdict
) -> None:
    found = check(ONLY.format(sample=sample, phase=phase), folder)
    assert found.verdict is verdict
    if sample == "1h":
        assert "NaTaCl6 not seen, detectable from 6 wt%" in found.arithmetic


@pytest.mark.parametrize(
    ("sample", "kelvin", "verdict"),
    [
        ("4h", 248, OPEN),
        ("pellet", 373, CONTRADICTED),
        ("clean", 373, SUPPORTED),
    ],
)
def test_no_grain_boundary(
    folder: Path, sample: str, kelvin: int, verdict: ClaimVerdict
) -> None:
    found = check(BOUNDARY.format(sample=sample, kelvin=kelvin), folder)
    assert found.verdict is verdict


def test_wide_errors_resolve_nothing(tmp_path: Path) -> None:
    text = (
        'kind = "oxide_content"\nvalue = {{ value = 0.06, std = {} }}\nequals = "0.06"'
    )
    verdicts = [check(text.format(std), tmp_path).verdict for std in (0.005, 0.05)]
    assert verdicts == [SUPPORTED, OPEN]
    odd = 'kind = "oxide_content"\nvalue = "0.04(1)"\nequals = "0.06"\ntolerance = 0.05'
    assert check(odd, tmp_path).verdict is SUPPORTED


@pytest.mark.parametrize(
    ("larmor", "verdict"), [(79.39, SUPPORTED), (73.39, CONTRADICTED)]
)
def test_larmor_of_a_user(tmp_path: Path, larmor: float, verdict: ClaimVerdict) -> None:
    text = f'kind = "larmor"\nlarmor = {{ value = {larmor}, units = "MHz" }}'
    assert check(text, tmp_path).verdict is verdict


def test_t1_in_the_other_order_is_no_swap(tmp_path: Path) -> None:
    text = (
        'kind = "t1_assignment"\nt1 = {{ Na2O = {}, NaCl = {} }}\n'
        "references = {{ milled = {{ Na2O = 0.58, NaCl = 6.49 }} }}"
    )
    assert check(text.format(0.24, 2.06), tmp_path).verdict is SUPPORTED
    assert check(text.format(2.06, 0.24), tmp_path).verdict is OPEN


def test_saturation_of_a_user(tmp_path: Path) -> None:
    text = 'kind = "saturation"\nrecycle_delay = {}\nt1 = {{ NaCl = "11.43 s" }}'
    assert check(text.format(10), tmp_path).verdict is CONTRADICTED
    assert check(text.format(60), tmp_path).verdict is SUPPORTED


def test_values_are_shared_and_sources_told(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(
        '[source]\ntext = "report 3"\n'
        '[value.sigma]\nvalue = "4.41(5) mS/cm"\nplace = "page 2"\n'
        '[value.low]\nvalue = 1e-4\nunits = "S/cm"\n'
        '[[claim]]\nkind = "conductivity_ratio"\nstatement = "much"\n'
        'numerator = "sigma"\ndenominator = "low"\nmore_than = 10\n'
    )
    (one,) = audit(path)
    assert one.claim.id == "1"
    assert one.claim.source == "sigma (page 2); low; report 3"
    assert one.outcome.verdict is SUPPORTED


GOOD = (
    '[[claim]]\nkind = "oxide_content"\nstatement = "s"\nvalue = 0.05\nequals = 0.06\n'
)


GAIN = """\
[[claim]]
kind = "product_gain"
statement = "s"
nacl_early = 0.02
nacl_late = 0.05
ratio_late = 8
gain = 0.3
reading = "points"
equals = 0.04
"""


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("[[claim]]\nkind = x\n", ["not valid TOML", "line 2"]),
        ("", ["claim: there is none; add one as [[claim]]"]),
        ("[claim]\nkind = 'x'\n", ["must be an array of tables; write [[claim]]"]),
        (GOOD + "[values]\na = 1\n", ["values: unknown table; did you mean 'value'?"]),
        (
            GOOD.replace("oxide_content", "oxide_contents"),
            ["claim[0].kind: unknown 'oxide_contents'; did you mean 'oxide_content'?"],
        ),
        (
            GOOD.replace("equals", "equal"),
            ["claim[0].equal: unknown key; did you mean 'equals'?", "give one of"],
        ),
        (GOOD.replace("value = 0.05\n", ""), ["claim[0].value: is missing"]),
        (GOOD.replace("0.05", "true"), ["claim[0].value: True is no number"]),
        (GOOD.replace("0.05", '"0.05 eV"'), ["claim[0].value: is in eV; give it in 1"]),
        (GOOD.replace("0.05", '"sigma"'), ["claim[0].value: no [value.sigma]"]),
        (
            GOOD.replace("0.05", "{ std = 1 }"),
            ["give value (and std), or low and high"],
        ),
        (GOOD.replace('statement = "s"\n', ""), ["claim[0].statement: is missing"]),
        (
            "[value.a]\nvalue = 1\nunit = 's'\n" + GOOD,
            ["value.a.unit: unknown key; did you mean 'units'?"],
        ),
        (
            (GOOD + 'id = "a"\n') * 2,
            ["claim: id 'a' stands twice; rename one"],
        ),
        (
            GOOD.replace("0.05", '{ from = "OUT", sample = "9h" }'),
            ["no row with sample = '9h'; there is 4h, wide, none"],
        ),
        (
            GOOD.replace("0.05", '{ from = "OUT", samples = "4h" }'),
            ["no column 'samples'; has sample, quantity"],
        ),
        (
            GOOD.replace("0.05", '{ from = "OUT", sample = "none" }'),
            ["area of NTOC is not resolved"],
        ),
        (
            GOOD.replace("0.05", '{ from = "ELSEWHERE", sample = "4h" }'),
            ["no such table; run the stage that writes it"],
        ),
        (RATIO.format(other="4h", limit=3), ["2 rows fit; name one by temperature_K"]),
        (
            GAIN.replace("points", "percent"),
            ["claim[0].reading: 'percent' is none of relative, points"],
        ),
        (
            '[[claim]]\nkind = "sodium_census"\nstatement = "s"\nnacl = 0.05\n',
            ["claim[0].ratio: is missing; nacl needs it"],
        ),
        (
            GOOD.replace("oxide_content", "set_points"),
            ["claim[0].quoted: is missing", "claim[0].value: unknown key"],
        ),
    ],
)
def test_mistakes_name_file_key_and_remedy(
    folder: Path, text: str, messages: list[str]
) -> None:
    if text.startswith("kind"):
        text = '[[claim]]\nstatement = "s"\n' + text
    path = folder / "claims.toml"
    path.write_text(text)
    with pytest.raises(SchemaError) as caught:
        read_claims(path)
    shown = str(caught.value)
    assert shown.startswith(str(path))
    for message in messages:
        assert message in shown


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("0.05", "true") + GOOD.replace("oxide_content", "nothing")
    with pytest.raises(SchemaError, match=r"has 2 mistakes:(.|\n)*claim\[1\].kind"):
        parse_claims(text, name="claims.toml", folder=tmp_path)


def test_absent_and_odd_files(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no file of claims"):
        read_claims(tmp_path / "absent.toml")
    odd = tmp_path / "odd.toml"
    odd.write_bytes(b'a = "\xff"')
    with pytest.raises(SchemaError, match="UTF-8"):
        read_claims(odd)
    with pytest.raises(ReadError, match="cannot be read"):
        read_claims(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        'kind = "conductivity_ratio"\nnumerator = 1\ndenominator = 0\nmore_than = 1',
        'kind = "retention"\nstart = 0\nend = 1\nelapsed = 1\nequals = 1',
        'kind = "larmor"\nlarmor = -3',
        'kind = "oxide_content"\nvalue = 0.01\nequals = 0',
        'kind = "disorder_width"\nwidths = [300, 200]\nt1 = [0.01]',
        BOUNDARY.format(sample="pellet", kelvin=0).replace(", temperature_K = 0", ""),
    ],
)
def test_numbers_that_cannot_be_name_their_claim(folder: Path, text: str) -> None:
    with pytest.raises(SchemaError, match="claim 1: "):
        check(text.replace("{{", "{").replace("}}", "}"), folder)


def test_registry() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    used = {claim.kind for claim in read_study()}
    tested = {"conductivity", "activation_energy", "oxide_content", "raman_metric"}
    tested |= {"amorphous_fraction", "only_crystalline", "no_grain_boundary"}
    assert used | tested == set(names)
    for kind in KINDS:
        inputs = [spec.name for spec in kind.inputs]
        assert len(set(inputs)) == len(inputs)
        assert set(kind.one_of) <= set(inputs)
    with pytest.raises(SchemaError, match="no kind 'x'"):
        find_kind("x")


def test_semicircle_within_the_band(tmp_path: Path) -> None:
    text = (
        'kind = "single_semicircle"\nconductivity = "1e-6(1) S/cm"\n'
        "temperature = 298\nplotted_at = 298\nenergy = 0.5\n"
        "permittivity = {{ low = 10, high = 20 }}\n"
        'band_limit = {{ value = {}, units = "MHz" }}\n'
        "diameter = 8\nmass = 130\ndensity = 3\n"
    )
    inside, outside = (check(text.format(f), tmp_path) for f in (5, 0.05))
    assert (inside.verdict, outside.verdict) == (SUPPORTED, OPEN)
    assert "the bulk's own apex is below it" in inside.arithmetic
    assert "a boundary, which is not excluded" in outside.arithmetic
