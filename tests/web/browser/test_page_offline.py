"""The page without a network, its new versions, wasm threads and WebGPU."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from fast_nst.web.files import PAGE, page_files
from fast_nst.web.models import find_models
from fast_nst.web.runtime import runtime_in
from fast_nst.web.site import write_site
from tests.web.browser.helpers import ARGUMENTS, CHROMIUM, SECOND, opened, painted, serving

pytestmark = pytest.mark.browser

# Messages to a worker of the page's own, as stylizers.js sends them.
ASK = """async ([first, then]) => {
    const config = await (await fetch("config.json")).json();
    const worker = new Worker("worker.js", { type: "module" });
    const answers = new Map();
    worker.onmessage = ({ data }) => data.progress || answers.get(data.id)?.(data);
    const ask = (id, message) => new Promise((resolve) => {
        answers.set(id, resolve);
        worker.postMessage({ id, ...message });
    });
    ask(0, { settings: config.browser, ...first });
    if (then.options) {
        const blob = await (await fetch(config.samples[0])).blob();
        then.bitmap = await createImageBitmap(blob);
    }
    const { done, error } = await ask(1, then);
    worker.terminate();
    if (error) throw new Error(error);
    return done.blob ? Array.from(new Uint8Array(await done.blob.arrayBuffer())) : done;
}"""
CACHED = """async () => {
    const names = await caches.keys();
    const found = await Promise.all(names.map(async (name) => (
        (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname))));
    return found.flat();
}"""
INSTALL = """async () => {
    const { install } = await import("./installation.js");
    await install((load) => { window.loadUpdate = load; });
    await navigator.serviceWorker.ready;
}"""
# The browser may count a closed tab for a while.
CLICK = """() => { setInterval(() => document.querySelector("#update").click(), 500); }"""
ZIPPED = """async (size) => {
    const { zipped } = await import("./zip.js");
    const arrayBuffer = async () => new ArrayBuffer(0);
    const blob = { size, arrayBuffer }; // stands for a file that fills no disk
    const { length } = "[object Object]"; // what it adds to the archive
    return (await zipped([{ name: "a.png", blob }])).size - length + size;
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Do not log requests."""


@contextlib.contextmanager
def hosted(folder: Path, port: int = 0) -> Iterator[int]:
    """Serve a folder as a static host; gives the port."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def write(folder: Path, runtime: Path) -> None:
    """Write the site of the package's styles to `folder`/paint."""
    write_site(folder / "paint", page_files(find_models(None, print), runtime_in(runtime), None))


@pytest.fixture
def host(tmp_path: Path, runtime: Path) -> Path:
    """The root of a host with the site at /paint/."""
    folder = tmp_path / "host"
    write(folder, runtime)
    return folder


def kept(page: Page, count: int) -> set[str]:
    """Wait until so many models are kept with the runtime; the paths of all that is cached."""
    for _ in range(200):
        paths = set(page.evaluate(CACHED))
        if len(models_in(paths)) >= count and any(path.endswith(".wasm") for path in paths):
            return paths
        page.wait_for_timeout(SECOND / 10)
    raise AssertionError(paths)


def models_in(paths: set[str]) -> set[str]:
    return {path for path in paths if path.endswith(".onnx")}


def until_offered(page: Page) -> None:
    """Wait until `INSTALL` is told of a new version."""
    for _ in range(200):
        if page.evaluate("Boolean(window.loadUpdate)"):
            return
        page.wait_for_timeout(SECOND / 10)
    raise AssertionError("no new version is offered")


def test_site_is_installable_isolated_and_paints_without_a_network(browser: Browser, host: Path):
    with contextlib.ExitStack() as network:
        address = f"http://localhost:{network.enter_context(hosted(host))}/paint/"
        with opened(browser, address, service_worker=True) as page:
            painted(page)
            loads: list[str] = []
            page.on("load", lambda loaded: loads.append(loaded.url.split("#")[0]))
            page.evaluate(INSTALL)
            session = page.context.new_cdp_session(page)
            assert session.send("Page.getAppManifest")["errors"] == []
            errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
            assert [error["errorId"] for error in errors] == ["in-incognito"]
            assert not page.evaluate("crossOriginIsolated")  # the host sends no headers
            kept(page, 1)
            network.close()
            page.reload()
            painted(page)
            assert page.evaluate("crossOriginIsolated")
            assert loads == [address]  # by the reload alone


def test_service_page_without_its_service_says_so_and_paints_in_the_browser(
    browser: Browser, runtime: Path
):
    with (
        serving("--runtime", runtime) as (address, process),
        opened(browser, address, service_worker=True) as page,
    ):
        painted(page)
        assert page.evaluate("crossOriginIsolated")
        page.evaluate(INSTALL)
        page.locator("#where").select_option("browser")
        painted(page)
        paths = kept(page, 1)
        assert not [path for path in paths if path.startswith(("/api/", "/healthz"))]
        process.terminate()
        process.wait(timeout=30)
        page.reload()
        expect(page.locator("#paint-error")).to_contain_text("The service does not respond")
        page.locator("#where").select_option("browser")
        painted(page)
        expect(page.locator("#paint-error")).to_be_empty()


def test_new_version_is_offered_and_replaces_nothing_before(
    browser: Browser, host: Path, runtime: Path, own: Path, monkeypatch: pytest.MonkeyPatch
):
    with hosted(host) as port:
        address = f"http://localhost:{port}/paint/"
        with opened(browser, address, service_worker=True) as page:
            painted(page)
            page.evaluate(INSTALL)
            old = models_in(kept(page, 1))
            page.reload()
            page.evaluate(INSTALL)
            newer = host / "newer"
            newer.mkdir()
            for path in PAGE.iterdir():
                (newer / path.name).write_bytes(path.read_bytes())
            (newer / "style.css").write_text("body { outline: 7px solid }")
            monkeypatch.setattr("fast_nst.web.files.PAGE", newer)
            models = find_models(own, print)
            models = {name: models[name] for name in ("negative", "udnie")}
            write_site(host / "paint", page_files(models, runtime_in(runtime), None))
            page.evaluate("navigator.serviceWorker.getRegistration().then((r) => r.update())")
            until_offered(page)
            style = "getComputedStyle(document.body).outlineWidth"
            assert page.evaluate(style) != "7px"
            page.reload()  # does not load it either
            painted(page)
            assert page.evaluate(style) != "7px"
            assert old <= kept(page, 1)  # which the new version does not have
            other = page.context.new_page()  # a second tab
            other.goto(address)
            painted(other)  # requests of a closing tab would keep the old service worker busy
            button = page.locator("#update")
            button.click()
            expect(button).to_contain_text("Close the other tabs")
            for each in (page, other):
                text = each.evaluate("fetch('style.css').then((response) => response.text())")
                assert text == (PAGE / "style.css").read_text()
            other.close()
            with page.expect_navigation():
                page.evaluate(CLICK)
            painted(page)
            assert page.evaluate(style) == "7px"
            names = page.evaluate("caches.keys()")
            assert len([name for name in names if " shell " in name]) == 1
            assert old - models_in(kept(page, 1))


def test_new_style_is_listed_at_once(browser: Browser, host: Path, runtime: Path, own: Path):
    with hosted(host) as port:
        address = f"http://localhost:{port}/paint/"
        with opened(browser, address, service_worker=True) as page:
            painted(page)
            page.evaluate(INSTALL)
            old = kept(page, 1)
            models = find_models(own, print)
            models = {name: models[name] for name in ("negative", "udnie")}
            other = page.context.new_page()  # a second tab, with the styles before
            other.goto(address)
            write_site(host / "paint", page_files(models, runtime_in(runtime), None))
            page.reload()
            painted(page)
            expect(page.locator("#gallery li")).to_have_count(2)
            assert models_in(old) <= kept(page, 1)
            other.close()
            page.reload()
            painted(page)
            listed = set(page.evaluate("fetch('config.json').then((r) => r.json())")["paths"])
            still = {path.removeprefix("/paint/") for path in page.evaluate(CACHED)} - {""}
            assert still <= listed  # the models that are gone are kept no longer
            assert models_in(old) - set(page.evaluate(CACHED))


def test_another_application_at_the_same_address_gets_its_requests(browser: Browser, host: Path):
    with contextlib.ExitStack() as first:
        port = first.enter_context(hosted(host / "paint"))
        with opened(browser, f"http://localhost:{port}/", service_worker=True) as page:
            painted(page)
            page.evaluate(INSTALL)
            page.reload()
            painted(page)
            first.close()
            other = host / "other"
            other.mkdir()
            (other / "index.html").write_text("<title>Other</title><script src=app.js></script>")
            (other / "app.js").write_text("document.title += ' application'")
            with hosted(other, port):
                page.reload()
                expect(page).to_have_title("Other application")
                assert page.evaluate("caches.keys()") == []
                page.reload()
                assert not page.evaluate("Boolean(navigator.serviceWorker.controller)")


def test_first_visit_goes_on_with_its_files(browser: Browser, host: Path):
    with hosted(host) as port:
        address = f"http://localhost:{port}/paint/"
        with opened(browser, address, service_worker=True) as page:
            painted(page)
            page.wait_for_function("navigator.serviceWorker.controller")
            (host / "paint" / "style.css").write_text("of another version")
            text = page.evaluate("fetch('style.css').then((response) => response.text())")
            assert text == (PAGE / "style.css").read_text()


def test_page_without_a_service_worker_needs_none(browser: Browser, address: str):
    with opened(browser, f"{address}/api.html") as page:
        for register in ("undefined", "async () => undefined", "async () => { throw Error() }"):
            container = "undefined" if register == "undefined" else f"{{ register: {register} }}"
            page.evaluate(
                f"""async () => {{
                    Object.defineProperty(navigator, "serviceWorker", {{
                        value: {container}, configurable: true }});
                    const {{ install }} = await import("./installation.js");
                    await install(() => {{ throw new Error("offered"); }});
                }}"""
            )


def test_zip_of_over_4_gb_is_refused(browser: Browser, address: str):
    most = 2**32 - 1 - (30 + 46 + 2 * len("a.png") + 22)  # APPNOTE.TXT: the headers' bytes
    with opened(browser, f"{address}/api.html") as page:
        assert page.evaluate(ZIPPED, most) == 2**32 - 1
        with pytest.raises(Error, match="over 4 GB"):
            page.evaluate(ZIPPED, most + 1)


def test_threads_paint_the_same_pixels(browser: Browser, address: str):
    options: dict[str, Any] = {
        "styles": [{"name": "composition_vii", "share": 1}],
        **{"strength": 1, "detail": 0, "strokeScale": 1, "keepColors": False, "size": 300},
    }
    with opened(browser, f"{address}/api.html") as page:
        assert page.evaluate("crossOriginIsolated")
        one, two = (
            page.evaluate(ASK, [{"threads": threads}, {"options": options, "type": "image/png"}])
            for threads in (1, 2)
        )
    assert len(one) > 10_000
    assert one == two


def test_webgpu_is_not_offered_without_an_adapter(browser: Browser, runtime: Path):
    with serving("--runtime", runtime, "--webgpu") as (address, _):
        context = browser.new_context()
        page = context.new_page()
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(f"{address}/api.html")
        answer = page.evaluate(ASK, [{"device": "webgpu"}, {"check": True}])
        assert answer == {"ok": False, "reason": "this browser has no WebGPU"}
        assert not [url for url in loaded if "runtime/" in url]
        answer = page.evaluate(ASK, [{"device": "wasm"}, {"check": True}])
        assert (answer["ok"], answer["difference"]) == (True, 0)
        assert not [url for url in loaded if "webgpu" in url or "asyncify" in url]
        context.close()


@pytest.mark.slow
def test_webgpu_paints_within_two_levels_of_wasm(browser: Browser, runtime: Path):
    swiftshader = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    arguments = [*ARGUMENTS, *swiftshader]
    software = browser.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    with serving("--runtime", runtime, "--webgpu") as (address, _):
        page = software.new_page()
        page.goto(f"{address}/api.html")
        answer = page.evaluate(ASK, [{"device": "webgpu"}, {"check": True}])
        software.close()
    assert answer["ok"]
    assert answer["difference"] <= 2
