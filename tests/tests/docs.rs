//! What the guide tells its readers to type works, and prints what the guide says.

use std::collections::BTreeSet;
use std::fs;

use fingerpost_tests::Fail;
use fingerpost_tests::binaries::workspace_dir;
use fingerpost_tests::docs::run_page;

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        $(
            #[test]
            fn $name() -> Result<(), Fail> {
                run_page(&workspace_dir().join($path))
            }
        )*

        const PAGES: &[&str] = &[$($path),*];
    };
}

pages! {
    readme: "README.md",
    getting_started: "docs/guide/getting-started.md",
    listing: "docs/guide/listing.md",
    exchange: "docs/guide/exchange.md",
    searching: "docs/guide/searching.md",
    board: "docs/guide/board.md",
    a_network_from_beginning_to_end: "docs/guide/a-network-from-beginning-to-end.md",
    joining: "docs/guide/joining.md",
    network: "docs/guide/network.md",
    leaving: "docs/guide/leaving.md",
    keys: "docs/guide/keys.md",
    backup: "docs/guide/backup.md",
    bundles: "docs/guide/bundles.md",
    erasing: "docs/guide/erasing.md",
    troubleshooting: "docs/guide/troubleshooting.md",
}

/// A page that is added to the guide must be added here.
#[test]
fn every_page_of_the_guide_is_run() -> Result<(), Fail> {
    let mut found = BTreeSet::from(["README.md".to_owned()]);
    for entry in fs::read_dir(workspace_dir().join("docs/guide"))? {
        found.insert(format!(
            "docs/guide/{}",
            entry?.file_name().to_string_lossy()
        ));
    }
    let run: BTreeSet<String> = PAGES.iter().map(|path| (*path).to_owned()).collect();
    assert_eq!(found, run);
    Ok(())
}
