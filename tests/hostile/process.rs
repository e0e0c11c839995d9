//! A process for each measurement.

use std::{
    any::type_name_of_val,
    env,
    process::Command,
    sync::{Mutex, PoisonError},
};

use crate::{files, start::started};

/// More handles than any measurement takes.
const HANDLES: usize = 4_000;

/// Returns whether `test` is to be skipped because this process may not open enough files, and says so.
pub(crate) fn skips(test: &str) -> bool {
    files::skips_without(HANDLES, test)
}

/// Runs `measure` in a process where nothing ran before it, one such process at a time: the calling
/// test is started again there, and this is its first line.
pub(crate) fn measured<F: Future<Output = ()>>(measure: impl FnOnce() -> F) {
    const MEASURING: &str = "NPIPES_MEASURING";
    static ONE: Mutex<()> = Mutex::new(());
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    if env::var_os(MEASURING).is_some() {
        return runtime().block_on(measure());
    }
    let test = test_of(&measure);
    if skips(&test) {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", &test, "--nocapture"]).env(MEASURING, "1");
    let output = started(|| child.output());
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| line.contains(": ")).for_each(|line| println!("{line}"));
    assert!(text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// Returns the name of the test that a closure is in. The thread's name is another one if the tests run
/// one by one.
fn test_of<F>(closure: &F) -> String {
    let path = type_name_of_val(closure).split("::");
    // The name of the crate comes first, and the closure's own last.
    path.skip(1).take_while(|part| !part.starts_with('{')).collect::<Vec<_>>().join("::")
}
