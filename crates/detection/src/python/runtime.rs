//! The Python half of a worker, embedded: its bootstrap, its host module, and what content may import.

use serde::Serialize;

use super::program::PythonSource;

/// What `python3 -c` runs.
pub(crate) const BOOTSTRAP: &str = include_str!("../../python/bootstrap.py");
const HOST: &str = include_str!("../../python/host.py");
/// Compiles rules for the index and the native evaluator.
const COMPILE: &str =
    concat!(include_str!("../../python/compile.py"), "\n", include_str!("../../python/compile_functions.py"));

/// Modules that content imports and the product provides.
const MODULES: &[Embedded] = &[
    ("panther_core", true, include_str!("../../python/modules/panther_core/__init__.py")),
    ("panther_core.enriched_event", false, include_str!("../../python/modules/panther_core/enriched_event.py")),
    ("panther_core.exceptions", false, include_str!("../../python/modules/panther_core/exceptions.py")),
    ("panther_core.immutable", false, include_str!("../../python/modules/panther_core/immutable.py")),
    ("panther_detection_helpers", true, include_str!("../../python/modules/panther_detection_helpers/__init__.py")),
    (
        "panther_detection_helpers.caching",
        false,
        include_str!("../../python/modules/panther_detection_helpers/caching.py"),
    ),
    (
        "panther_detection_helpers.mocking",
        false,
        include_str!("../../python/modules/panther_detection_helpers/mocking.py"),
    ),
    (
        "panther_detection_helpers.monitoring",
        false,
        include_str!("../../python/modules/panther_detection_helpers/monitoring.py"),
    ),
];

/// Stand-ins for packages that are not installed.
const FALLBACKS: &[Embedded] = &[
    ("boto3", true, include_str!("../../python/fallbacks/boto3/__init__.py")),
    ("botocore", true, include_str!("../../python/fallbacks/botocore/__init__.py")),
    ("botocore.exceptions", false, include_str!("../../python/fallbacks/botocore/exceptions.py")),
    ("dateutil", true, include_str!("../../python/fallbacks/dateutil/__init__.py")),
    ("dateutil.parser", false, include_str!("../../python/fallbacks/dateutil/parser.py")),
    ("dateutil.tz", false, include_str!("../../python/fallbacks/dateutil/tz.py")),
    ("policyuniverse", true, include_str!("../../python/fallbacks/policyuniverse/__init__.py")),
    (
        "policyuniverse.action_categories",
        false,
        include_str!("../../python/fallbacks/policyuniverse/action_categories.py"),
    ),
    ("policyuniverse.actions", false, include_str!("../../python/fallbacks/policyuniverse/actions.py")),
    ("policyuniverse.arn", false, include_str!("../../python/fallbacks/policyuniverse/arn.py")),
    (
        "policyuniverse.expander_minimizer",
        false,
        include_str!("../../python/fallbacks/policyuniverse/expander_minimizer.py"),
    ),
    ("policyuniverse.policy", false, include_str!("../../python/fallbacks/policyuniverse/policy.py")),
    ("policyuniverse.statement", false, include_str!("../../python/fallbacks/policyuniverse/statement.py")),
    ("pycountry", true, include_str!("../../python/fallbacks/pycountry/__init__.py")),
];

/// Name, whether it is a package, source.
type Embedded = (&'static str, bool, &'static str);

#[derive(Serialize)]
struct Module {
    #[serde(flatten)]
    source: PythonSource,
    package: bool,
}

/// The first frame a worker gets.
pub(crate) fn frame() -> Vec<u8> {
    let modules = |list: &[Embedded]| -> serde_json::Map<String, serde_json::Value> {
        let module = |&(name, package, source): &Embedded| {
            let file = format!("{}.py", name.replace('.', "/"));
            let source = PythonSource { name: name.to_owned(), file, source: source.to_owned() };
            let value = serde_json::to_value(Module { source, package });
            (name.to_owned(), value.expect("texts and a flag are JSON"))
        };
        list.iter().map(module).collect()
    };
    let runtime = serde_json::json!({ "host": HOST, "compile": COMPILE, "modules": modules(MODULES), "fallbacks": modules(FALLBACKS) });
    runtime.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        for (folder, list) in [("modules", MODULES), ("fallbacks", FALLBACKS)] {
            let listed: BTreeSet<String> = list.iter().map(|(name, ..)| (*name).to_owned()).collect();
            let on_disk: BTreeSet<String> = walkdir::WalkDir::new(root.join(folder))
                .into_iter()
                .map(|entry| entry.unwrap().into_path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
                .map(|path| {
                    let name = path.strip_prefix(root.join(folder)).unwrap().with_extension("");
                    name.to_str().unwrap().replace('/', ".").trim_end_matches(".__init__").to_owned()
                })
                .collect();
            assert_eq!(listed, on_disk, "crates/detection/python/{folder} and the list in this file differ");
        }
    }
}
