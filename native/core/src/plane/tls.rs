//! TLS: the system's roots and those that a client was given.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// Certificates of a client that has its own authorities, in PEM form, and the system's.
pub(super) fn client_config(extra: Option<&str>) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = system_roots().clone();
    // Checked when the client was made.
    let own = CertificateDer::pem_slice_iter(extra.unwrap_or_default().as_bytes());
    roots.add_parsable_certificates(own.flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Read once a process: the system's certificates are files.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// The TLS stack trusts its caller with these and panics on what is none.
pub(crate) fn check_certificates(pem: &str) -> Result<(), Error> {
    let refused = |why: String| {
        Error::invalid(format!("caCertificates {why}"))
            .hint("pass the text of a file that starts with -----BEGIN CERTIFICATE-----")
    };
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate =
            certificate.map_err(|error| refused(format!("is damaged PEM: {error:?}")))?;
        webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|error| refused(format!("holds a damaged certificate: {error}")))?;
        count += 1;
    }
    if count == 0 { Err(refused("holds no PEM certificate".to_owned())) } else { Ok(()) }
}

/// A file of certificates that the environment or a profile names.
#[derive(Clone, Debug)]
pub struct CaBundle {
    /// Where it is.
    pub path: String,
    /// Who names it.
    pub by: String,
    /// What it holds.
    pub text: String,
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

impl CaBundle {
    /// The certificates that can be trusted. A system's bundle may hold some that no one reads.
    ///
    /// # Errors
    /// `InvalidInput` when there is none.
    pub(crate) fn certificates(&self) -> Result<String, Error> {
        let blocks = self.text.split_inclusive(END).filter_map(|block| {
            let block = block.get(block.rfind(BEGIN)?..)?;
            check_certificates(block).is_ok().then_some(block)
        });
        let certificates = blocks.collect::<Vec<_>>().join("\n");
        if certificates.is_empty() {
            let Self { path, by, .. } = self;
            return Err(Error::invalid(format!(
                "{by} names {path}, which holds no PEM certificate"
            ))
            .hint("name a file that holds a -----BEGIN CERTIFICATE-----, or pass caCertificates"));
        }
        Ok(certificates)
    }
}
