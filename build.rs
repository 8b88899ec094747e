//! Links every program and test to libtorch so that it runs from any folder.
//!
//! torch-sys links its own library only; its flags don't reach the binaries that depend on it. Without `--no-as-needed`
//! the linker drops `libtorch.so`, and a CUDA build then reports that no device is there; without a run path the user
//! would have to export `LD_LIBRARY_PATH`.

use std::env;
use std::fs;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    let Some(linked) = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else {
        return;
    };
    // Written anew when `./x setup` turns `.libtorch` to another variant; torch-sys itself doesn't notice that.
    let version = linked.with_file_name("build-version");
    if version.exists() {
        println!("cargo::rerun-if-changed={}", version.display());
    }
    // `.libtorch` leads into the user's cache: the programs must outlive this checkout.
    let lib = fs::canonicalize(&linked).unwrap_or(linked);
    println!("cargo::rustc-link-search=native={}", lib.display());
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-arg=-Wl,--push-state,--no-as-needed");
        println!("cargo::rustc-link-arg=-ltorch");
        println!("cargo::rustc-link-arg=-Wl,--pop-state");
    }
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
}
