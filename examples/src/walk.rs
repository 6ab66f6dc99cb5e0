//! Walking a tree as `find PATH -type f` does, in an order that is always the same, from any place on.
//!
//! Hidden files are files; links are not followed, not even PATH itself; PATH may be a file. Directories are listed in order of
//! their names' bytes, so files come in the order in which [`Path`]s compare: name by name. That is what makes it possible to
//! go on behind any path without looking at what lies before it.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// The files in `root`, behind `after` if it is given; and the directories that cannot be listed.
pub fn walk(root: &Path, after: Option<&Path>) -> impl Iterator<Item = Result<PathBuf, (PathBuf, io::Error)>> {
    let after = after.map(Path::to_path_buf);
    let root = root.to_path_buf();
    let (behind, is_behind) = (after.clone(), |path: &Path, after: &Path| path > after || after.starts_with(path));
    WalkDir::new(&root)
        .follow_root_links(false)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(move |entry| is_ahead(entry, after.as_deref()))
        .filter_map(move |entry| match entry {
            Ok(entry) => entry.file_type().is_file().then(|| Ok(entry.into_path())),
            Err(error) => {
                let path = error.path().unwrap_or(&root).to_path_buf();
                let error = error.into_io_error().unwrap_or_else(|| io::Error::other("a loop of directories"));
                behind.as_deref().is_none_or(|after| is_behind(&path, after)).then_some(Err((path, error)))
            }
        })
}

/// Whether it comes behind `after`, or, being a directory, may have something in it that does.
fn is_ahead(entry: &DirEntry, after: Option<&Path>) -> bool {
    after.is_none_or(|after| entry.path() > after || (entry.file_type().is_dir() && after.starts_with(entry.path())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_walk_goes_on_behind_any_of_its_files() {
        let tree = tempfile::tempdir().unwrap();
        for path in ["a/b/c", "a/b.d", "a/.e", "a-f", "g", "a/b/h/i", "B"] {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let all: Vec<_> = walk(tree.path(), None).map(Result::unwrap).collect();
        assert_eq!(all.len(), 7);
        assert!(all.is_sorted());
        for (index, after) in all.iter().enumerate() {
            let rest: Vec<_> = walk(tree.path(), Some(after)).map(Result::unwrap).collect();
            assert_eq!(rest, all[index + 1..]);
        }
    }

    #[test]
    fn a_root_may_be_a_file_and_not_a_link() {
        let tree = tempfile::tempdir().unwrap();
        let (file, link) = (tree.path().join("file"), tree.path().join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(walk(&file, None).map(Result::unwrap).collect::<Vec<_>>(), [file]);
        assert_eq!(walk(&link, None).count(), 0);
        let missing = tree.path().join("missing");
        assert_eq!(walk(&missing, None).next().unwrap().unwrap_err().0, missing);
    }
}
