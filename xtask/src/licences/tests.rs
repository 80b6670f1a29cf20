use super::*;

fn findings(package: &str, file: &str, head: &str) -> Vec<String> {
    let mut scan = Scan::default();
    scan.head(package, file, head.as_bytes());
    scan.findings
}

#[test]
fn a_planted_reciprocal_header_is_found() {
    let cases = [
        (
            "the usual words",
            "// This program is free software under the GNU General Public License, version 3.",
        ),
        (
            "broken over comment lines",
            "/*\n * terms of the GNU Lesser General\n * Public License as published by",
        ),
        ("an SPDX line", "// SPDX-License-Identifier: AGPL-3.0-only"),
        ("an SPDX line with a choice", "# SPDX-License-Identifier: MIT OR GPL-2.0-or-later"),
        ("an acronym with its version", "; licensed GPLv2+"),
        ("in small letters", "# license: gpl-3.0"),
        ("after a shebang and a copyright", "#!/usr/bin/perl\n# Copyright (C) 2020\n#\n# LGPL21\n"),
        (
            "Mozilla",
            "/* This Source Code Form is subject to the terms of the Mozilla Public\n * License, v. 2.0. */",
        ),
        ("Mozilla by SPDX", "// SPDX-License-Identifier: MPL-2.0"),
        ("European Union", "// Licensed under the EUPL, Version 1.2"),
        ("CDDL", "<!-- Common Development and Distribution License -->"),
        ("not for business", "// Creative Commons Attribution-NonCommercial 4.0"),
        ("an identifier that is on no list", "// SPDX-License-Identifier: LicenseRef-Secret"),
        (
            "a licence text",
            "                    GNU GENERAL PUBLIC LICENSE\n                       Version 3",
        ),
    ];
    for (name, head) in cases {
        assert_eq!(findings("some-crate", "src/lib.rs", head).len(), 1, "{name}");
    }
}

#[test]
fn permissive_headers_pass() {
    let cases = [
        "// Copyright. SPDX-License-Identifier: Apache-2.0 OR ISC OR MIT-0",
        "/* SPDX-License-Identifier: (MIT OR Apache-2.0) WITH LLVM-exception */",
        "// Licensed under the Apache License, Version 2.0",
        "// Redistribution and use in source and binary forms, with or without modification, are permitted",
        "use boost::mpl; // impl, template, simple: no licence at all",
    ];
    for head in cases {
        assert_eq!(findings("some-crate", "src/lib.rs", head), Vec::<String>::new(), "{head}");
    }
}

#[test]
fn an_exception_holds_for_its_package_its_files_and_its_grant_only() {
    let file = "aws-lc/third_party/jitterentropy/jitterentropy-library/jitterentropy.h";
    let grant = "* Redistribution and use in source and binary forms, with or without\n\
                 * modification, are permitted provided that";
    let both = format!("{grant}\n* ALTERNATIVELY, the GNU General Public License\n");
    assert_eq!(findings("aws-lc-sys", file, &both), Vec::<String>::new());
    assert_eq!(findings("other", file, &both).len(), 1, "another package");
    assert_eq!(findings("aws-lc-sys", "aws-lc/crypto/other.h", &both).len(), 1, "another file");
    assert_eq!(findings("aws-lc-sys", file, "* the GNU General Public License\n").len(), 1, "no grant");
}

#[test]
fn an_exception_that_nothing_needs_fails() {
    let message = Scan::default().finish(0).expect_err("no exception was used").to_string();
    assert!(message.contains("no file needs this exception: aws-lc-sys"), "{message}");
}

#[test]
fn sources_and_licence_texts_are_looked_into_and_prose_is_not() {
    for file in
        ["src/a.rs", "b.S", "x/y.pl", "c.asm", "COPYING", "LICENSE.txt", "tool.py", "configure", "a.inc"]
    {
        assert!(is_source(file), "{file}");
    }
    for file in
        ["README.md", "x/AUTHORS", "Cargo.toml", "Cargo.toml.orig", "info/boost.list", "changelog.txt"]
    {
        assert!(!is_source(file), "{file}");
    }
}
