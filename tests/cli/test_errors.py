"""What goes wrong is one clear line on standard error and exit code 2: never a traceback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from tests.cli.commands import Project
from tests.cli.strangers import bare_environment, install_stranger

from turnout.testing.certificates import Certificate


def complaint(result: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """Check that a command failed as it should; return what it says."""
    found = re.fullmatch(r"turnout: error: (.+)\n", result.stderr)
    assert found is not None, f"not one line: {result.stderr}"
    assert (result.returncode, result.stdout) == (code, "")
    return found[1]


# Where the registry is


def test_a_module_that_does_not_exist(project: Project) -> None:
    said = complaint(project.run("serve", "ap:registry"))
    assert said == f"there is no module 'ap' in {project.folder} or on the Python path"


def test_a_submodule_that_does_not_exist(project: Project) -> None:
    project.write("shop/__init__.py", "")
    said = complaint(project.run("serve", "shop.sockets:registry"))
    assert said.startswith("there is no module 'shop.sockets' in ")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(
            "x = 1\nimport nothing_of_the_kind\n",
            "cannot import 'mine': ModuleNotFoundError: No module named 'nothing_of_the_kind'"
            " (mine.py:2)",
            id="missing import",
        ),
        pytest.param(
            "def make():\n    return undefined\n\nmake()\n",
            "cannot import 'mine': NameError: name 'undefined' is not defined (mine.py:2)",
            id="error",
        ),
        pytest.param(
            "import json\n\njson.loads('{')\n",
            "cannot import 'mine': json.decoder.JSONDecodeError: Expecting property name enclosed"
            " in double quotes: line 1 column 2 (char 1) (mine.py:3)",
            id="error in a library",
        ),
        pytest.param(
            "x = 1\nif x\n    pass\n",
            "cannot import 'mine': SyntaxError: expected ':' (mine.py:2)",
            id="syntax",
        ),
        pytest.param(
            "import sys\nsys.exit(3)\n",
            "cannot import 'mine': SystemExit: 3 (mine.py:2)",
            id="exit",
        ),
        pytest.param(
            "from turnout import WebSocketOptions\n\nWebSocketOptions(max_text_size=-1)\n",
            "cannot import 'mine': turnout.errors.ConfigurationError: max_text_size takes a whole"
            " number from 1, not -1 (mine.py:3)",
            id="configuration",
        ),
    ],
)
def test_a_module_that_fails_while_it_is_imported(
    project: Project, code: str, expected: str
) -> None:
    (project.folder / "mine.py").write_text(code)
    assert complaint(project.run("serve", "mine:registry")) == expected


def test_the_whole_traceback_for_those_who_ask(project: Project) -> None:
    project.write("mine.py", "undefined\n")
    result = project.run("serve", "mine:registry", "--log-level", "debug")
    assert result.returncode == 2
    assert "Traceback (most recent call last):" in result.stderr
    assert result.stderr.endswith("name 'undefined' is not defined (mine.py:1)\n")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("app", "'app' names no registry: write MODULE:ATTR, as in app:registry"),
        (":registry", "':registry' names no registry: write MODULE:ATTR, as in app:registry"),
        ("./app.py:registry", "'./app.py' is a file: name the module, as in app:registry"),
        (
            "app:registri",
            "the module 'app' has no attribute 'registri'; its registry is app:registry",
        ),
        ("os:pahtsep", "the module 'os' has no attribute 'pahtsep'; did you mean 'pathsep'?"),
        ("app:echo", "app:echo is a function, not a WebSocketHandlerRegistry"),
        ("app:WebSocketOptions", "app:WebSocketOptions is a type, not a WebSocketHandlerRegistry"),
    ],
)
def test_an_attribute_that_is_no_registry(project: Project, target: str, expected: str) -> None:
    assert complaint(project.run("serve", target)) == expected


# Which engine


@pytest.mark.parametrize("command", [("serve", "app:registry", "--engine"), ("conformance",)])
def test_an_unknown_engine(project: Project, command: tuple[str, ...]) -> None:
    said = complaint(project.run(*command, "torndao"))
    assert said == "no engine is called 'torndao'; did you mean 'tornado'?"


def test_an_unknown_strategy(project: Project) -> None:
    said = complaint(project.run("serve", "app:registry", "--strategy", "native"))
    assert said == "the engine 'wsproto' has no strategy 'native'; it has: none to choose from"


@pytest.fixture
def bare(project: Project, tmp_path: Path) -> Project:
    """The project, where nothing is installed but turnout."""
    return Project(project.folder, python=bare_environment(tmp_path / "venv"))


@pytest.mark.parametrize("engine", ["aiohttp", "tornado", "gevent", "gevent-websocket"])
def test_an_engine_that_is_not_installed(bare: Project, engine: str) -> None:
    expected = rf"the engine '{engine}' is not installed \(No module named '\w+'\): "
    for command in (("serve", "app:registry"), ("demo",), ("demo", "--check")):
        said = complaint(bare.run(*command, "--engine", engine))
        assert re.match(expected, said), said
        assert said.endswith(f'): pip install "turnout[{engine}]"')


def test_a_bridge_whose_package_is_not_installed(bare: Project) -> None:
    bare.write(
        "bridged.py",
        """
        from turnout import WebSocketHandlerRegistry

        registry = WebSocketHandlerRegistry()

        @registry.websocket("/", bridge="greenlet")
        def handler(session):
            session.send("plain")
        """,
    )
    said = complaint(bare.run("serve", "bridged:registry", "--port", "0"))
    assert said == 'bridge="greenlet" needs greenlet: pip install "turnout[greenlet]"'


def test_the_conformance_suite_without_pytest(bare: Project) -> None:
    said = complaint(bare.run("conformance", "wsproto"))
    assert said.endswith('pip install "turnout[conformance]"')


def test_a_stranger_that_is_not_installed(project: Project, tmp_path: Path) -> None:
    site = install_stranger(tmp_path, "import no_such_server", requires=("no-such-server>=1",))
    result = project.run("serve", "app:registry", "--engine", "stranger", PYTHONPATH=str(site))
    assert complaint(result) == (
        "the engine 'stranger' is not installed (No module named 'no_such_server'):"
        ' pip install "turnout-stranger"'
    )


def test_a_plug_in_that_is_broken_is_not_called_missing(project: Project, tmp_path: Path) -> None:
    site = install_stranger(
        tmp_path, "import h11\nimport no_such_module\n", requires=("h11>=0.14",)
    )
    result = project.run("serve", "app:registry", "--engine", "stranger", PYTHONPATH=str(site))
    assert complaint(result, 1) == (
        "the engine 'stranger' failed to load: ModuleNotFoundError: No module named"
        f" 'no_such_module' ({site}/turnout_stranger.py:2)"
    )


def test_an_option_that_the_engine_cannot_honour(project: Project, tmp_path: Path) -> None:
    module = """
        from turnout import Capabilities
        from turnout_adapters.wsproto import WsprotoStrategy

        class Strategy(WsprotoStrategy):
            name = "stranger"
            capabilities = Capabilities(unsupported_options=frozenset({"idle_timeout"}))
    """
    site = install_stranger(tmp_path, module)
    words = ("serve", "app:registry", "--port", "0", "--engine", "stranger")
    result = project.run(*words, "--idle-timeout", "5", PYTHONPATH=str(site))
    assert complaint(result).startswith("the engine 'stranger' cannot honour idle_timeout")


# Flags


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sevre app:registry", "there is no command 'sevre'; did you mean 'serve'?"),
        ("serve", "the following arguments are required: MODULE:ATTR"),
        ("serve app:registry more", "unrecognized arguments: more"),
        (
            "serve app:registry --max-txt-size 5",
            "there is no option --max-txt-size; did you mean '--max-text-size'?",
        ),
        ("demo --chek", "there is no option --chek; did you mean '--check'?"),
        ("serve app:registry --engine", "argument --engine: expected one argument"),
        ("serve a:b --port 65536", "argument --port: '65536' is no port: give 0 to 65535"),
        ("serve a:b --port http", "argument --port: 'http' is no port: give 0 to 65535"),
        (
            "serve a:b --max-text-size 64KB5",
            (
                "argument --max-text-size: '64KB5' is no size: give bytes, or units as in 64KiB,"
                " or none"
            ),
        ),
        (
            "serve a:b --max-text-size 0",
            "argument --max-text-size: max_text_size takes a whole number from 1, not 0",
        ),
        (
            "serve a:b --ping-interval soon",
            (
                "argument --ping-interval: 'soon' is no time: give seconds, or units as in 250ms,"
                " 10s, 5min, or none"
            ),
        ),
        (
            "serve a:b --close-timeout none",
            "argument --close-timeout: close_timeout takes seconds over 0, not None",
        ),
        (
            "serve a:b --overflow drp",
            "argument --overflow: 'drp' is none of terminate, drop; did you mean 'drop'?",
        ),
        (
            "serve a:b --compression gzip",
            (
                "argument --compression: 'gzip' is no compression: give off, deflate, or"
                " deflate:window_bits=12"
            ),
        ),
        (
            "serve a:b --compression deflate:windowbits=9",
            (
                "argument --compression: deflate has no setting 'windowbits'; it has window_bits,"
                " memory_level, threshold"
            ),
        ),
        (
            "serve a:b --compression deflate:window_bits=8",
            "argument --compression: window_bits takes 9 to 15, not 8",
        ),
        (
            "serve a:b --log-level loud",
            "argument --log-level: invalid choice: 'loud' (choose from",
        ),
    ],
)
def test_misuse(project: Project, words: str, expected: str) -> None:
    said = complaint(project.run(*words.split()))
    assert said.startswith(expected)
    assert re.search(r"\(see `turnout( \w+)? --help`\)$", said)


def test_no_command_at_all_shows_the_help(project: Project) -> None:
    result = project.run()
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: turnout")
    assert result.stderr.endswith("turnout: error: which command? (see `turnout --help`)\n")


def test_a_report_that_cannot_be_written(project: Project) -> None:
    said = complaint(project.run("conformance", "wsproto", "--json", "none/report.json"))
    assert said == "cannot write none/report.json: No such file or directory"


# Where to listen


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("command", [("serve", "app:registry"), ("demo",)])
def test_a_port_in_use(project: Project, taken: int, command: tuple[str, ...]) -> None:
    assert complaint(project.run(*command, "--port", str(taken))) == (
        f"cannot listen on 127.0.0.1:{taken}: the port is in use; choose another one, or 0 for any"
        " that is free"
    )


def test_a_privileged_port(project: Project, requires: Callable[[str], Path]) -> None:
    setting = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if int(setting.read_text()) <= 80:
        pytest.skip("this system has no privileged ports")
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root without the capability is as good as anybody else
        drop = "-net_bind_service"
        prefix = (str(requires("setpriv")), "--bounding-set", drop, "--inh-caps", drop)
    limited = replace(project, prefix=prefix)
    said = complaint(limited.run("serve", "app:registry", "--port", "80"))
    assert said == (
        "cannot listen on 127.0.0.1:80: ports under 1024 need privileges; choose a higher one"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--host", "192.0.2.1"), "192.0.2.1:8080: this machine has no such address"),
        (("--host", "no.invalid"), "no.invalid:8080: the host 'no.invalid' is not known"),
        (("--unix", "no/socket"), "no/socket: No such file or directory"),
        (("--unix", "app.py"), "app.py: there is a file of that name"),
    ],
)
def test_a_place_where_one_cannot_listen(
    project: Project, words: tuple[str, ...], expected: str
) -> None:
    said = complaint(project.run("serve", "app:registry", *words))
    assert said == f"cannot listen on {expected}"
    assert (project.folder / "app.py").is_file()


# TLS


@pytest.fixture
def certificate(project: Project) -> Certificate:
    """A certificate and its key, in the project."""
    return Certificate.make(project.folder)


def serve_tls(project: Project, *words: str) -> str:
    return complaint(project.run("serve", "app:registry", "--port", "0", *words))


def test_a_key_without_its_certificate(project: Project) -> None:
    assert serve_tls(project, "--tls-key", "key.pem") == "--tls-key needs --tls-cert"


def test_a_tls_file_that_is_missing(project: Project, certificate: Certificate) -> None:
    said = serve_tls(project, "--tls-cert", "chain.pem", "--tls-key", "kye.pem")
    assert said == "cannot read the TLS file kye.pem: No such file or directory"


def test_a_tls_file_that_is_none(project: Project) -> None:
    assert serve_tls(project, "--tls-cert", "app.py").startswith(
        "app.py: no PEM certificate chain with its key, without a password ("
    )


def test_the_key_of_another_certificate(project: Project, certificate: Certificate) -> None:
    other = trustme.CA().issue_cert("127.0.0.1")
    other.private_key_pem.write_to_path(project.folder / "other.pem")
    said = serve_tls(project, "--tls-cert", "chain.pem", "--tls-key", "other.pem")
    assert said == "the TLS key does not belong to the certificate: chain.pem and other.pem"


def test_a_key_with_a_password_does_not_ask_for_it(
    project: Project, certificate: Certificate
) -> None:
    key = load_pem_private_key(certificate.key.read_bytes(), None)
    secret = BestAvailableEncryption(b"secret")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)
    (project.folder / "locked.pem").write_bytes(pem)
    said = serve_tls(project, "--tls-cert", "chain.pem", "--tls-key", "locked.pem")
    assert said.startswith("chain.pem and locked.pem: no PEM certificate chain with its key")
