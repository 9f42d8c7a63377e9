"""Whether a build script can read a file, by its text."""

import pytest

from freshwheel.sources.quiet import is_given, variables

USUAL = """
// It says "include!(" in a comment.
use std::env;

#[allow(clippy::unusual_byte_groupings)]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEMO_{}", 'x');
    pyo3_build_config::use_pyo3_cfgs();
    if let Ok(version) = env::var("DEP_OPENSSL_VERSION_NUMBER") {
        let version = u64::from_str_radix(&version, 16).unwrap();
        if version != 0 && !(version < 0x3_00_09_00_0) {
            println!("cargo:rustc-cfg=NEW=\\"{version}\\"");
        }
    }
    for one in r#"a "quoted" text"#.split(',').map(str::len) {
        assert!(one > 0, "std::fs::read");
    }
    let number = std::env::var_os("N").is_some() as u32 + "1".parse::<u32>().unwrap();
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => println!("cargo:rustc-link-arg=-Wl,-headerpad{number}"),
        _ => {}
    }
}
"""


def test_script_that_looks_at_variables_only():
    """It prints and looks at variables: it reads no file."""
    assert variables(USUAL) == {"DEP_OPENSSL_VERSION_NUMBER", "N", "CARGO_CFG_TARGET_OS"}


@pytest.mark.parametrize(
    "text", ["fn main() { pyo3_build_config::add_extension_module_link_args(); }", "fn main() {}\n"]
)
def test_the_shortest_scripts(text):
    """Those that most projects with pyo3 have."""
    assert variables(text) == frozenset()


@pytest.mark.parametrize(
    "line",
    [
        'std::fs::read("x").unwrap();',
        "std::env::vars();",
        'let name = "X"; env::var(name);',
        'Some("X").map(env::var);',
        "use std::env::var;",
        '::std::fs::read("x").unwrap();',
        'use std::fs; fs::read("x");',
        'use std::{env, fs}; fs::read("x");',
        'use std::env as e; e::var("X");',
        'use std::fs::read; read("x");',
        "use helper::*; go();",
        'std::path::Path::new("x").exists();',
        "let here = std::env::current_dir().unwrap();",
        "let here = env::current_dir().unwrap();",
        'std::process::Command::new("python").output();',
        'pyo3_build_config::get().run_python_script("open(1)");',
        "cc::Build::new().compile();",
        "helper::run();",
        "built!();",
        'include!("more.rs");',
        'let text = include_str!("x");',
        "for x in 0..include!{more} {}",
        'tonic_build::compile_protos("x.proto");',
        "mod more; more::go();",
        "extern crate helper;",
        'unsafe { open("x") };',
        "macro_rules! read { () => {} }",
        "crate::more();",
        "let r#fn = 1;",
        "/* a comment /* in a comment */ */",
        '#[path = "more.rs"] fn other() {}',
        "#[tokio::main] fn other() {}",
        "Vec::<u8>::new();",
        "let odd = '\"'; std::fs::read(\"x\"); let odd = '\"';",
        r"""let odd = '\''; std::fs::read("x"); let odd = '\'';""",
        'let odd = r"\\"; std::fs::read("x"); let odd = r"\\";',
        'let odd = r##"# "# "##; std::fs::read("x");',
        "fn f<'a>(x: &'a str) { std::fs::read(x); } fn g<'a>() {}",
        '// a comment\nstd::fs::read("x");',
        "use",
        "#[",
        "x" * (1 << 16),
    ],
)
def test_script_that_may_read(line):
    """Whatever is not known to read nothing may read anything."""
    assert None is variables(USUAL.replace("    pyo3_build_config::use_pyo3_cfgs();", line))


def test_foreign_crate_that_is_called_like_a_module_of_the_library():
    """Without the import, `env` is a crate of that name."""
    assert None is variables(USUAL.replace("use std::env;", ""))


@pytest.mark.parametrize("text", ["", f'{USUAL}"'])
def test_text_that_is_no_script(text):
    """Without a main function, or with half a text in it, nobody knows what is run."""
    assert None is variables(text)


@pytest.mark.parametrize(
    ("name", "given"),
    [("CARGO_CFG_UNIX", True), ("DEP_OPENSSL_CONF", True), ("TARGET", True), ("CARGO_HOME", False), ("DEMO", False)],
)
def test_variable_that_cargo_sets(name, given):
    """Only what nobody else can set."""
    assert is_given(name) == given
