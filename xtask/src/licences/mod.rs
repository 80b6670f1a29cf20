//! Looks for reciprocal licences in the files themselves, ours and of every dependency.
//!
//! `cargo deny` reads the label that a package gives itself. In this field a permissive label over files that say
//! otherwise is common, and the files are what counts. So this reads the head of every source file of the whole
//! tree: all packages of the lock files, with all features, for all platforms, build and test dependencies too.
//! A file may name such a licence only where [`ALLOWED`] says why it may.
//!
//! Not looked at: `tests/interop`'s npm packages. They are other people's clients, among them a GPL library, which
//! one test runs in its own process; nothing of them is built into, linked with or shipped in what we make.

mod header;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, packages};

/// How much of a file is its head: the longest licence headers in use fit, and the beginning of a
/// licence text.
const HEAD_BYTES: u64 = 8192;

/// A file that may name a reciprocal licence, because it offers a permissive one too.
struct Allowed {
    package: &'static str,
    /// The file, `/` between folders; a `*` at the end stands for any rest.
    file: &'static str,
    /// What the head must say for this exception to hold: the words that grant the permissive licence. Comment signs
    /// and line ends do not count.
    grant: &'static str,
    /// Why it may; for the reader.
    #[expect(dead_code, reason = "written for the reader of this table")]
    reason: &'static str,
}

const OURS: &str = "this repository";

const ALLOWED: &[Allowed] = &[
    Allowed {
        package: "aws-lc-sys",
        file: "aws-lc/third_party/jitterentropy/jitterentropy-library/*",
        grant: "Redistribution and use in source and binary forms, with or without modification, are permitted",
        reason: "BSD-3-Clause, or GPL-2.0 as an alternative; we take the former",
    },
    Allowed {
        package: "aws-lc-sys",
        file: "aws-lc/crypto/fipsmodule/aes/asm/bsaes-armv7.pl",
        grant: "SPDX-License-Identifier: Apache-2.0",
        reason: "Apache-2.0; its author permits GPL use too, so that Linux may have it",
    },
    Allowed {
        package: "aws-lc-sys",
        file: "aws-lc/generated-src/*",
        grant: "SPDX-License-Identifier: Apache-2.0 Written by Andy Polyakov",
        reason: "what bsaes-armv7.pl prints, once for each platform",
    },
    Allowed {
        package: "aws-lc-sys",
        file: "LICENSE",
        grant: "Amazon expressly elects to distribute the package under the 3-Clause BSD License",
        reason: "lists what the library is made of, and says so of jitterentropy",
    },
    Allowed {
        package: "aws-lc-sys",
        file: "aws-lc/LICENSE",
        grant: "Amazon expressly elects to distribute the package under the 3-Clause BSD License",
        reason: "the same list",
    },
    Allowed {
        package: "raw-cpuid",
        file: "src/tests/*",
        grant: "CPL-qualified debug store",
        reason: "no licence: the current privilege level of a processor, in listings of what it can do",
    },
    Allowed {
        package: "ryu",
        file: "src/lib.rs",
        grant: "The paper is available under the creative commons CC-BY-SA license.",
        reason: "speaks of the paper; the code is Apache-2.0 or BSL-1.0",
    },
    uniffi("uniffi"),
    uniffi("uniffi_bindgen"),
    uniffi("uniffi_core"),
    uniffi("uniffi_internal_macros"),
    uniffi("uniffi_macros"),
    uniffi("uniffi_meta"),
    uniffi("uniffi_pipeline"),
    uniffi("uniffi_udl"),
    Allowed {
        package: OURS,
        file: "xtask/src/licences/*",
        grant: "",
        reason: "the names that this check looks for",
    },
];

/// The one exception: it is used as it comes, and a file of ours is never made of one of these.
const fn uniffi(package: &'static str) -> Allowed {
    Allowed {
        package,
        file: "*",
        grant: "If a copy of the MPL was not distributed with this file, You can obtain one at",
        reason: "MPL-2.0, whose terms end with its own files: what is built with them may have any licence",
    }
}

/// Fails with a list of the files whose head names a licence that is not permissive.
pub(crate) fn check(repository: &Path) -> Outcome {
    let manifests = [repository.join("Cargo.toml"), repository.join("fuzz/Cargo.toml")];
    let packages = packages::load_all(&manifests)?;
    let mut scan = Scan::default();
    for file in our_files(repository)? {
        scan.file(OURS, repository, &file)?;
    }
    for package in packages.iter().filter(|package| !package.is_ours) {
        for file in files_below(&package.folder)? {
            scan.file(&package.name, &package.folder, &file)?;
        }
    }
    scan.finish(packages.len())
}

#[derive(Default)]
struct Scan {
    files: usize,
    findings: Vec<String>,
    used: [bool; ALLOWED.len()],
}

impl Scan {
    fn file(&mut self, package: &str, folder: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
        let name = file.to_string_lossy().replace('\\', "/");
        if !is_source(&name) {
            return Ok(());
        }
        let mut head = Vec::new();
        File::open(folder.join(file))?.take(HEAD_BYTES).read_to_end(&mut head)?;
        self.files += 1;
        self.head(package, &name, &head);
        Ok(())
    }

    fn head(&mut self, package: &str, file: &str, head: &[u8]) {
        if head.contains(&0) {
            return; // no text
        }
        let head = String::from_utf8_lossy(head);
        let marks = header::marks(&head);
        if marks.is_empty() {
            return;
        }
        for (allowed, used) in ALLOWED.iter().zip(&mut self.used) {
            if allowed.package == package && matches(allowed.file, file) && header::says(&head, allowed.grant)
            {
                *used = true;
                return;
            }
        }
        self.findings.push(format!("{package}: {file}: {}", marks.join(", ")));
    }

    fn finish(mut self, packages: usize) -> Outcome {
        for (allowed, _) in ALLOWED.iter().zip(self.used).filter(|(_, used)| !used) {
            self.findings
                .push(format!("no file needs this exception: {}: {}", allowed.package, allowed.file));
        }
        if self.findings.is_empty() {
            println!("licences: {} files of {packages} packages are clean", self.files);
            return Ok(());
        }
        Err(format!("files that name a reciprocal or unknown licence:\n  {}", self.findings.join("\n  "))
            .into())
    }
}

fn matches(pattern: &str, file: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == file, |start| file.starts_with(start))
}

/// Whether a file is one to look into: everything but prose, package descriptions and recorded output. Licence texts
/// are looked into; a COPYING beside a permissive label is just what we search.
fn is_source(file: &str) -> bool {
    const NOT_SOURCE: &[&str] = &[
        "md", "toml", "orig", "lock", "json", "yml", "yaml", "list", "snap", "stderr", "stdout", "csv", "svg",
    ];
    let name = file.rsplit('/').next().unwrap_or(file);
    let is_prose = ["AUTHORS", "CONTRIBUTORS", "CHANGELOG", "CHANGES", "README"]
        .iter()
        .any(|word| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    !is_prose && !NOT_SOURCE.contains(&extension)
}

/// The files of this checkout that git knows or would add.
fn our_files(repository: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository)
        .output()?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let names = String::from_utf8(output.stdout)?;
    let files = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    // A file that is deleted but not yet committed is still listed; a link is listed by its target.
    Ok(files.filter(|file| repository.join(file).is_file()).collect())
}

/// Every file below a folder, by its path within it.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = inner.join(entry.file_name());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    Ok(files)
}
