//! Trees of files: a directory on this machine, and what is moved between it and a bucket.
//!
//! A tree is reached through its open directory, one component at a time, and no link is
//! followed on the way: whatever others do to the tree meanwhile, nothing outside of it is
//! read or written. Names come from a server, so each is checked here once more.

mod compare_files;
mod download_files;
mod each;
mod folder;
mod queue;
mod remove_files;
mod scan;
mod temporary;
mod upload_files;

pub use compare_files::{CompareFilesRequest, FileToCompare, compare_files};
pub use download_files::{DownloadFilesRequest, FileToWrite, download_files};
pub use remove_files::remove_files;
pub use scan::{Scanned, TreeEntries, TreeEntry, TreeKind, scan};
pub use upload_files::{FileToSend, UploadFilesRequest, upload_files};
