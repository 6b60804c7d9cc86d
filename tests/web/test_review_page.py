"""The weekly review in a real browser: of one model, of twelve and of a hundred, on screens and on paper."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page
from tests.postgres.portfolio import HOSTILE, LONG, NOW, actions, crowd, fill
from tests.postgres.served import priced

from mlops.db import Database
from mlops.monitoring.review import Review, build_review, write_review
from mlops.policy import read_policy
from mlops.project import policy_file

COUNTS = (1, 12, 100)
WIDTHS = (360, 1280)
PHONE = 390
A4 = (595, 842)  # points
READABLE = 4.5  # WCAG 2.2, 1.4.3, of any text


@dataclass(frozen=True)
class Opened:
    """A page in the browser, the document beside it, and what it asked for or complained about."""

    page: Page
    document: dict[str, Any]
    requests: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def reviewed(new_database: Any, migrated: str) -> Callable[[dict[str, str]], Review]:
    """Reviews a portfolio of models, each with what it is told."""
    policy = priced(read_policy(policy_file()))

    def review(told: dict[str, str]) -> Review:
        with new_database("review", template=migrated) as (_, url):
            with psycopg.connect(url) as connection:
                fill(connection, told)
            database = Database(url)
            found = build_review(database, policy, NOW)
            database.close()
        return found

    return review


@pytest.fixture(scope="module")
def written(reviewed: Callable[[dict[str, str]], Review], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The pages of portfolios of so many models."""
    folder = tmp_path_factory.mktemp("reviews")
    for count in COUNTS:
        write_review(reviewed(actions(count)), folder / f"{count}.html")
    return {count: folder / f"{count}.html" for count in COUNTS}


@pytest.fixture(scope="module")
def pages(browser: Browser, written: dict[int, Path]) -> Iterator[dict[int, Opened]]:
    """Each page, opened once."""
    opened = {count: open_page(browser, path) for count, path in written.items()}
    yield opened
    for one in opened.values():
        one.page.close()


def open_page(browser: Browser, path: Path) -> Opened:
    page, requests, complaints = browser.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    return Opened(page, json.loads(path.with_suffix(".json").read_text(encoding="utf-8")), requests, complaints)


@pytest.fixture(params=COUNTS, ids=lambda count: f"{count}-models")
def opened(request: pytest.FixtureRequest, pages: dict[int, Opened]) -> Opened:
    return pages[request.param]


@pytest.fixture
def twelve(pages: dict[int, Opened]) -> Opened:
    return pages[12]


def test_nothing_is_asked_for_but_the_page_itself_and_nothing_complains(opened: Opened):
    assert opened.requests == [opened.page.url]
    assert opened.complaints == []
    assert opened.page.evaluate("document.scripts.length") == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_width_of_a_screen(opened: Opened, width: int):
    opened.page.set_viewport_size({"width": width, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    loose = opened.page.evaluate(
        """width => [...document.querySelectorAll('body *')]
            .filter(one => !one.closest('.wide, .unseen, .skip, svg') && one.getBoundingClientRect().right > width + 1)
            .map(one => one.outerHTML.slice(0, 80))""",
        width,
    )
    assert loose == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_hidden_beside_the_screen(opened: Opened, scheme: str):
    page = opened.page
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.emulate_media(color_scheme=scheme)
    hidden = page.evaluate(
        """width => [...document.querySelectorAll('body *')].filter(one => one.checkVisibility()
            && !one.closest('.unseen, .skip, thead, svg'))
            .filter(one => one.getBoundingClientRect().right > width + 1 || one.scrollWidth > one.clientWidth + 1
                && !['inline', 'contents'].includes(getComputedStyle(one).display)
                && getComputedStyle(one).overflowX !== 'visible')
            .map(one => one.outerHTML.slice(0, 80))""",
        PHONE,
    )
    nameless = page.evaluate(
        """[...document.querySelectorAll('tbody td')].filter(one => !one.hasAttribute('data-label'))
            .map(one => one.outerHTML.slice(0, 80))"""
    )
    page.emulate_media(color_scheme="light")
    assert (hidden, nameless) == ([], [])


def test_a_dark_page_is_dark_and_its_text_stands_out(opened: Opened):
    page = opened.page
    page.emulate_media(color_scheme="dark")
    faint, paper = page.evaluate(CONTRAST, READABLE), page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    assert faint == []
    assert sum(map(int, re.findall(r"\d+", paper)[:3])) < 120
    assert paper != page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_facts_are_the_same_without_a_script(browser: Browser, twelve: Opened):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(twelve.page.url)
    plain = page.locator("body").text_content()
    context.close()
    assert plain == twelve.page.locator("body").text_content()


def test_terms_are_explained_where_they_stand(twelve: Opened):
    page = twelve.page
    titles = page.eval_on_selector_all("abbr", "all => all.map(one => [one.textContent, one.title.length])")
    assert {name for name, _ in titles} >= {"WAPE", "Drift", "champion", "challenger", "Health", "Inside 80 %"}
    assert all(length > 20 for _, length in titles)
    article = page.locator("article").first
    assert article.locator("details.words dt").all_inner_texts() == ["WAPE", "seasonal naive", "backtest"]
    for section in page.locator("details.model section", has=page.locator("table, .findings")).all():
        heading = section.locator("h4").inner_text()
        if heading in ("Accuracy", "Drift"):
            assert section.locator("details.words dd").count() >= 2, heading


def test_a_finding_has_its_picture_and_what_to_do(twelve: Opened):
    model = next(one for one in twelve.document["models"] if one["advice"]["action"] == "retrain")
    place = twelve.page.locator("details.model", has_text=model["name"]).first
    changed = [one for one in model["drifted"] if one["change"]]
    assert changed
    assert place.locator("svg polyline.spark").count() == len(changed)
    text = place.locator(".findings").inner_text()
    for one in model["drifted"]:
        assert one["todo"] in text
        assert one["words"][1:] in text
    shown = place.locator(".findings > li > p").all_inner_texts()
    assert not [words for words in shown if "sigma" in words]
    assert "5.7 sigma" in place.locator(".findings details").first.inner_text()


def test_it_prints_on_two_sheets_of_a4(opened: Opened, browser: Browser):
    assert_two_sheets(browser, opened.page.url)


def test_a_crowd_of_long_names_prints_on_two_sheets_of_a4(
    reviewed: Callable[[dict[str, str]], Review], browser: Browser, tmp_path: Path
):
    found = reviewed(crowd())
    undrawn = replace(found, models=tuple(replace(model, detail=None) for model in found.models))  # not on paper anyway
    write_review(undrawn, tmp_path / "crowd.html")
    assert_two_sheets(browser, (tmp_path / "crowd.html").as_uri())


def assert_two_sheets(browser: Browser, url: str) -> None:
    """As a reader prints it: what is folded stays folded."""
    page = browser.new_page()
    page.goto(url)
    pdf = page.pdf(prefer_css_page_size=True)
    page.close()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 2
    sizes = {tuple(round(float(side)) for side in box.split()) for box in re.findall(rb"/MediaBox \[0 0 (.*?)\]", pdf)}
    assert sizes == {A4}


def test_twelve_models_that_need_a_person_are_printed_and_how_many_are_elsewhere(pages: dict[int, Opened]):
    page = pages[100].page
    page.emulate_media(media="print")
    urgent = [model["name"] for model in pages[100].document["models"] if model["advice"]["needs_person"]]
    section = page.locator("section[aria-labelledby=needs-you]")
    rows = section.locator("article h3, table:not(.loss) tbody th").all()
    seen = [row.inner_text() for row in rows if row.is_visible()]
    told = section.get_by_text("Four more models: on the screen and in the JSON.").is_visible()
    page.emulate_media(media="screen")
    assert len(urgent) == 16
    assert seen == [on_paper(name) for name in urgent[:12]]
    assert told
    assert [row.inner_text() for row in rows if row.is_visible()] == urgent


def on_paper(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:20]}…{name[-14:]}"


def test_text_stands_out_from_what_is_behind_it(opened: Opened):
    faint = opened.page.evaluate(CONTRAST, READABLE)
    assert faint == []


def test_landmarks_and_headings_lead_through_the_page(opened: Opened):
    page = opened.page
    for landmark in ("banner", "main", "contentinfo", "navigation"):
        assert page.get_by_role(landmark).count() == 1, landmark
    levels = page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.evaluate("document.documentElement.lang") == "en"


def test_everything_that_has_to_be_named_is_named(opened: Opened):
    assert opened.page.evaluate(UNNAMED) == []
    ids = opened.page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_links_lead_to_places_on_the_page(opened: Opened):
    targets = opened.page.eval_on_selector_all("a", "all => all.map(one => one.getAttribute('href'))")
    assert targets
    assert all(target.startswith("#") and opened.page.locator(target).count() == 1 for target in targets)


def test_the_keyboard_reaches_what_scrolls_and_shows_where_it_is(twelve: Opened):
    page = twelve.page
    page.set_viewport_size({"width": 360, "height": 800})
    stuck = page.eval_on_selector_all(
        ".wide, .tall", "all => all.filter(one => one.scrollWidth > one.clientWidth && one.tabIndex !== 0).length"
    )
    assert stuck == 0
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    focused = (
        "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])(getComputedStyle(document.activeElement))"
    )
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate(focused) == ["solid", "2px"]


def test_a_click_selects_a_whole_command(twelve: Opened):
    page, advice = twelve.page, twelve.document["models"][0]["advice"]
    shown = page.locator("article").first.locator("code.command")
    assert shown.all_inner_texts() == advice["commands"]
    assert advice["commands"][0] == f"mlops retrain {advice['recommendation_id']}"
    for command, place in zip(advice["commands"], shown.all(), strict=True):
        place.click()
        assert page.evaluate("getSelection().toString()").strip() == command


def test_names_and_reasons_are_text_and_nothing_else(twelve: Opened):
    page = twelve.page
    assert page.get_by_text(HOSTILE).count() > 3
    assert page.get_by_text(LONG).count() > 3
    assert page.get_by_text("the depot moves in <b>May</b>").count() > 0
    assert page.locator("main b", has_text="May").count() == 0


def test_an_action_is_a_word_and_a_sign_not_a_colour_alone(twelve: Opened):
    badges = twelve.page.locator("article .badge").all_inner_texts()
    assert badges == ["↩ Roll back", "▲ Retrain", "◆ Investigate the data", "○ Not checked yet"]


def test_the_page_says_what_the_json_says(twelve: Opened):
    page, models = twelve.page, {model["name"]: model for model in twelve.document["models"]}
    for article in page.locator("article").all():
        model = models[article.locator("h3").inner_text()]
        ours, naive, expected = model["last_7_days"]["wape"], model["last_7_days"]["wape_naive"], model["expected"]
        times = expected["ratio"] or model["last_28_days"]["wape"] / expected["wape"]
        told = [text.split("\n")[0].strip() for text in article.locator(".loss td").all_inner_texts()]
        estimate = [f"{100 * expected['estimate']:.1f} %"] if model["waiting"]["forecasts"] else []
        assert told == [f"{100 * ours:.1f} %", f"{times:.1f} ×", *estimate, f"{100 * naive:.1f} %"]
        assert (promise := model["advice"]["promise"]) is None or f"Saves {promise['money']:.0f} EUR a week" in (
            article.inner_text()
        )
    costs = {name: model["impact"] for name, model in models.items()}
    for row in page.locator("section[aria-labelledby=money] tbody tr").all():
        name, *told = row.locator("th, td").all_inner_texts()
        one = costs[name]
        weeks = one["week_under"] + one["week_over"], one["usual_under"] + one["usual_over"]
        assert told == [short(value) for value in (one["week_under"], one["week_over"], *weeks)]
    budget = twelve.document["budget"]
    assert f"{budget['spent']} of 12 spent" in page.locator("section[aria-labelledby=alarms]").inner_text()


def short(value: float) -> str:
    return f"{value:,.0f}" if value == 0 or abs(value) >= 1 else f"{value:,.2f}"


def test_the_error_plot_is_marked_where_drift_and_larger_errors_began(twelve: Opened):
    model = next(one for one in twelve.document["models"] if one["advice"]["action"] == "retrain")
    weeks = [week for week in model["detail"]["weeks"] if week["wape"] is not None]
    plot = twelve.page.locator("details.model svg", has_text="WAPE of").filter(has_text=model["name"])
    across = "all => all.map(one => Number(one.getAttribute('x')))"
    points = plot.locator("g[id$='-model'] use").evaluate_all(across)
    marks = plot.locator("g[id$='-drift-begins'] use").evaluate_all(across)
    assert len(points) == len(weeks)
    assert marks == [pytest.approx(points[n], abs=0.1) for n, week in enumerate(weeks) if week["onset"]]
    assert marks
    (line,) = plot.locator("g[id$='-onset'] path").evaluate_all("all => all.map(one => one.getAttribute('d'))")
    first, last = (datetime.fromisoformat(weeks[n]["week"]) for n in (0, -1))
    part = (datetime.fromisoformat(model["advice"]["onset"]) - first) / (last - first)
    assert float(line.split()[1]) == pytest.approx(points[0] + part * (points[-1] - points[0]), abs=0.2)
    assert plot.locator("g[id$='-promotion']").count() == 1


CONTRAST = """least => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = one => {
        for (let at = one; at; at = at.parentElement) {
            const found = channels(getComputedStyle(at).backgroundColor);
            if (found.length === 3 || found[3] === 1) return found;
        }
        return [255, 255, 255];
    };
    const texts = [...document.querySelectorAll('body *')].filter(one =>
        [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()) && one.checkVisibility()
        && !one.closest('style, .unseen, title'));
    return texts.map(one => {
        const style = getComputedStyle(one), text = one.closest('svg') ? style.fill : style.color;
        const [dark, bright] = [light(channels(text)), light(behind(one))].sort((a, b) => a - b);
        return [(bright + 0.05) / (dark + 0.05), one.textContent.trim().slice(0, 40)];
    }).filter(([ratio]) => ratio < least);
}"""
UNNAMED = """() => {
    const named = one => one.getAttribute('aria-label')
        || document.getElementById(one.getAttribute('aria-labelledby') ?? '')?.textContent;
    const bare = (selector, ok) => [...document.querySelectorAll(selector)].filter(one => !ok(one))
        .map(one => one.outerHTML.slice(0, 100));
    return [
        ...bare('main > section, .tables > section, article, nav, [role=region]', named),
        ...bare('table', one => one.caption || one.closest('[role=region]')),
        ...bare('th', one => ['row', 'col'].includes(one.scope)),
        ...bare('svg', one => one.getAttribute('role') === 'img' && named(one)
            && one.querySelector('title').textContent === named(one)),
        ...bare('a, summary, h1, h2, h3, h4', one => one.textContent.trim()),
        ...bare('img, input, button, select', () => false),
    ];
}"""
