//! Operations on trees of files.
//!
//! What a scan finds comes as items whose buffers hold JSON: there may be millions of entries,
//! and one message would have to hold them all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dipper_core::{
    Buffer, Client, CompareFilesRequest, DownloadFilesRequest, Error, Items, TreeEntries,
    TreeEntry, UploadFilesRequest,
};

use crate::export::stale;
use crate::messages::{MetricsMessage, Request, ScannedMessage, TreeEntryMessage};
use crate::operations::{Context, Outcome, told};
use crate::runtime::Many;

pub(crate) async fn run(
    request: Box<Request>,
    client: Option<&Arc<Client>>,
    context: Context,
) -> Result<Outcome, Error> {
    match *request {
        Request::DownloadFiles { bucket, customer_key, directory, files, progress, .. } => {
            let request = DownloadFilesRequest {
                bucket,
                customer_key: customer_key.map(|key| key.0),
                directory: directory.into(),
                files: files.into_iter().map(Into::into).collect(),
                progress: context.progress(progress),
            };
            let client = client.ok_or_else(|| stale("client"))?;
            let _many = Many::begin();
            let metrics = dipper_core::download_files(client, request, context.items()).await?;
            told(&MetricsMessage::from(metrics))
        }
        Request::UploadFiles { bucket, directory, files, write, progress, .. } => {
            let request = UploadFilesRequest {
                bucket,
                directory: directory.into(),
                files: files.into_iter().map(Into::into).collect(),
                options: write.into(),
                progress: context.progress(progress),
            };
            let client = client.ok_or_else(|| stale("client"))?;
            let _many = Many::begin();
            let metrics = dipper_core::upload_files(client, request, context.items()).await?;
            told(&MetricsMessage::from(metrics))
        }
        Request::CompareFiles { bucket, customer_key, directory, files, .. } => {
            let request = CompareFilesRequest {
                bucket,
                customer_key: customer_key.map(|key| key.0),
                directory: directory.into(),
                files: files.into_iter().map(Into::into).collect(),
            };
            let client = client.ok_or_else(|| stale("client"))?;
            let _many = Many::begin();
            let metrics = dipper_core::compare_files(client, request, context.items()).await?;
            told(&MetricsMessage::from(metrics))
        }
        Request::RemoveFiles { directory, paths } => {
            dipper_core::remove_files(directory.into(), paths, context.items()).await?;
            Ok(Outcome::default())
        }
        Request::ScanTree { directory, clean } => {
            let pages = Arc::new(TreePages { items: context.items(), next: AtomicUsize::new(0) });
            let scanned = dipper_core::scan(directory.into(), clean, pages).await?;
            told(&ScannedMessage { exists: scanned.exists, removed: scanned.removed })
        }
        _ => Err(Error::internal("not about a tree")),
    }
}

/// Renders pages of entries.
struct TreePages {
    items: Arc<dyn Items>,
    next: AtomicUsize,
}

impl TreePages {
    fn tell(&self, result: Result<Arc<Buffer>, Error>) {
        self.items.item(self.next.fetch_add(1, Ordering::Relaxed), result);
        self.items.flush();
    }
}

impl TreeEntries for TreePages {
    fn found(&self, entries: Vec<TreeEntry>) -> Result<(), Error> {
        let entries: Vec<_> = entries.into_iter().map(TreeEntryMessage::from).collect();
        let page = serde_json::to_vec(&entries);
        let page = page.map_err(|error| Error::internal(error.to_string()))?;
        self.tell(Ok(Buffer::from_vec(page)?));
        Ok(())
    }

    fn failed(&self, error: Error) {
        self.tell(Err(error));
    }
}
