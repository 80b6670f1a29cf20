//! What cargo knows of a workspace: its packages, where their sources lie and which of each other they need.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A package of the dependency tree.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The folder of its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    /// Whether it is one of this repository's own.
    pub(crate) is_ours: bool,
    /// The packages it names as normal and build dependencies, on any platform and with any feature.
    pub(crate) dependencies: Vec<String>,
}

/// Every package that the lock file beside `manifest` names, for all platforms and features: normal, build and
/// development dependencies. Cargo downloads what is missing.
pub(crate) fn load(manifest: &Path) -> Result<Vec<Package>, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--all-features", "--locked", "--manifest-path"])
        .arg(manifest)
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    read(&serde_json::from_slice(&output.stdout)?).ok_or_else(|| "cargo metadata has an unknown form".into())
}

fn read(metadata: &Value) -> Option<Vec<Package>> {
    metadata.get("packages")?.as_array()?.iter().map(package).collect()
}

fn package(value: &Value) -> Option<Package> {
    let manifest = Path::new(value.get("manifest_path")?.as_str()?);
    let dependencies = value.get("dependencies")?.as_array()?;
    let needed = dependencies.iter().filter(|dependency| dependency["kind"].as_str() != Some("dev"));
    Some(Package {
        name: value.get("name")?.as_str()?.to_owned(),
        version: value.get("version")?.as_str()?.to_owned(),
        folder: manifest.parent()?.to_path_buf(),
        is_ours: value.get("source")?.is_null(),
        dependencies: needed.map(|one| Some(one.get("name")?.as_str()?.to_owned())).collect::<Option<_>>()?,
    })
}

/// The packages of several workspaces, each version once.
pub(crate) fn load_all(manifests: &[PathBuf]) -> Result<Vec<Package>, Box<dyn Error>> {
    let mut all = BTreeMap::new();
    for manifest in manifests {
        for package in load(manifest)? {
            all.entry((package.name.clone(), package.version.clone())).or_insert(package);
        }
    }
    Ok(all.into_values().collect())
}
