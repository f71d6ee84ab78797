"""Every rule is complete, fits the database, and fires on its own examples."""

import json

import pytest

from apps.detection.choices import Level
from apps.detection.engine import inspect
from apps.detection.models import DetectionRule
from apps.detection.rules import RULES
from apps.detection.rules.base import Rule
from apps.detection.rules.mining.knowledge import POOL_ROOTS, POOLS
from tests.detection.cases import as_facts, rules_on

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)


def test_slugs_are_unique() -> None:
    assert len({rule.slug for rule in RULES}) == len(RULES)


@each_rule
def test_a_rule_fits_its_table(rule: Rule) -> None:
    for name in ("slug", "title", "family", "behaviour", "technique"):
        limit = DetectionRule._meta.get_field(name).max_length
        assert limit is not None
        assert 0 < len(getattr(rule, name)) <= limit
    assert rule.level in Level.values


@each_rule
def test_a_rule_says_what_it_sees_and_when_it_errs(rule: Rule) -> None:
    assert rule.description.endswith(".")
    assert rule.false_positives.endswith(".")
    assert rule.on
    assert rule.examples


@each_rule
def test_a_rule_fires_on_its_own_examples(rule: Rule) -> None:
    for example in rule.examples:
        for fact in as_facts(rule, example):
            assert rule.slug in rules_on(fact), (example, type(fact).__name__)


@each_rule
def test_no_rule_fails_on_an_example_and_details_are_small_json(rule: Rule) -> None:
    for example in rule.examples:
        for fact in as_facts(rule, example):
            seen = inspect(fact)
            assert not seen.errors
            for finding in seen.findings:
                assert len(json.dumps(finding.detail)) < 8_000
                assert "\x00" not in json.dumps(finding.detail, ensure_ascii=False)


@each_rule
def test_literals_are_in_lower_case_as_the_text_is_that_they_are_looked_for_in(rule: Rule) -> None:
    assert all(hint == hint.lower() for hint in (*rule.hints, *rule.gates))


def test_every_known_pool_is_found_by_the_roots_looked_for_first() -> None:
    assert [pool for pool in POOLS if not any(root in pool for root in POOL_ROOTS)] == []
