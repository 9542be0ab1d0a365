//! Removing files below a directory.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, unlinkat};
use rustix::io::Errno;

use super::folder::{Missing, Root, kind_at, not_written, split};
use super::queue::WorkQueue;
use crate::Error;
use crate::ranges::Items;

/// So many files are removed before a cancelled call is noticed.
const STEP: usize = 256;

/// Removes files, by their paths below a directory, whose own path is absolute and holds no
/// link. Folders that are empty then, and were not before, are removed too. What is no file is
/// left, and fails.
///
/// # Errors
/// What the system reports about the directory itself.
pub async fn remove_files(
    directory: PathBuf,
    paths: Vec<String>,
    items: Arc<dyn Items>,
) -> Result<(), Error> {
    let queue = WorkQueue::new();
    let root = queue.run(move || Root::open(&directory, Missing::Leave)).await?;
    let Some(root) = root.map(Arc::new) else {
        (0..paths.len()).for_each(|index| items.written(index, Ok(0)));
        items.flush();
        return Ok(());
    };
    let mut emptied = BTreeSet::new();
    for (step, paths) in paths.chunks(STEP).enumerate() {
        let (root, paths, items) = (Arc::clone(&root), paths.to_vec(), Arc::clone(&items));
        let remove = move || {
            let mut emptied = BTreeSet::new();
            for (place, path) in paths.iter().enumerate() {
                let removed = remove(&root, path);
                if removed.is_ok()
                    && let Some((folder, _)) = path.rsplit_once('/')
                {
                    emptied.insert(folder.to_owned());
                }
                items.written(step * STEP + place, removed.map(|()| 0));
            }
            items.flush();
            Ok(emptied)
        };
        emptied.append(&mut queue.run(remove).await?);
    }
    queue
        .run(move || {
            remove_empty(&root, emptied);
            Ok(())
        })
        .await
}

fn remove(root: &Root, path: &str) -> Result<(), Error> {
    let (folder, name) = split(path)?;
    let removed =
        root.folder(folder, Missing::Leave).and_then(|folder| match kind_at(&folder, name)? {
            Some(FileType::RegularFile) => Ok(unlinkat(&folder, name, AtFlags::empty())?),
            Some(_) => Err(io::ErrorKind::IsADirectory.into()),
            None => Ok(()),
        });
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let shown = root.shown(path);
            Err(not_written(&error, &shown).about(shown.display().to_string()))
        }
        _ => Ok(()),
    }
}

/// Removes folders that hold nothing any more, the deepest first, and their parents.
fn remove_empty(root: &Root, mut folders: BTreeSet<String>) {
    while let Some(folder) = folders.pop_last() {
        let (parent, name) = folder.rsplit_once('/').unwrap_or(("", &folder));
        let Ok(held) = root.folder(parent, Missing::Leave) else { continue };
        let removed = unlinkat(&held, name, AtFlags::REMOVEDIR);
        if matches!(removed, Ok(()) | Err(Errno::NOENT)) && !parent.is_empty() {
            folders.insert(parent.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buffer;
    use crate::tree::folder::tests::Place;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Told(Mutex<Vec<(usize, bool)>>);

    impl Items for Told {
        fn item(&self, _: usize, _: Result<Arc<Buffer>, Error>) {}
        fn written(&self, index: usize, result: Result<u64, Error>) {
            self.0.lock().unwrap().push((index, result.is_ok()));
        }
        fn flush(&self) {}
    }

    #[tokio::test]
    async fn files_go_and_so_do_the_folders_that_they_leave_empty() {
        let place = Place::new();
        let at = |path: &str| place.0.join(path);
        for folder in ["a/b/c", "a/kept", "empty"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["a/b/c/1", "a/b/2", "a/kept/3", "a/kept/4", "5"] {
            std::fs::write(at(file), "").unwrap();
        }
        let outside = Place::new();
        std::fs::write(outside.0.join("6"), "").unwrap();
        std::os::unix::fs::symlink(&outside.0, at("away")).unwrap();
        std::os::unix::fs::symlink("5", at("link")).unwrap();
        let paths =
            ["a/b/c/1", "a/b/2", "a/kept/3", "5", "none/x", "../y", "away/6", "link", "empty"];
        let told = Arc::new(Told::default());
        let items: Arc<dyn Items> = Arc::<Told>::clone(&told);
        let paths = paths.map(str::to_owned).to_vec();
        remove_files(place.0.clone(), paths, items).await.unwrap();
        let ended: Vec<bool> = told.0.lock().unwrap().iter().map(|(_, well)| *well).collect();
        assert_eq!(ended, [true, true, true, true, true, false, false, false, false]);
        assert!(!at("a/b").exists() && at("a/kept/4").exists() && at("empty").exists());
        assert!(at("link").symlink_metadata().is_ok() && outside.0.join("6").exists());
    }
}
