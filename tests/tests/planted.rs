//! The simulator against a protocol with mistakes on purpose: `docs/decisions/0014-planted-bugs.md`.

use fingerpost_tests::Fail;
use fingerpost_tests::binaries::test_with_feature;

/// Built apart, so that nothing else is built with mistakes.
#[test]
fn every_planted_mistake_is_found_by_the_simulator() -> Result<(), Fail> {
    let said = test_with_feature("fingerpost-planted", "planted")?;
    println!("{said}");
    assert!(said.contains("SkipSignature"), "{said}");
    Ok(())
}
