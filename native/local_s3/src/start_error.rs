//! Why a server does not start.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why [`Server::start`](crate::Server::start) failed. The message names the directory or the port.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The directory cannot be created, read or written.
    Directory {
        /// The directory that was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory holds files that this server did not write. It never mixes its own with those.
    ForeignDirectory {
        /// The directory that was asked for.
        path: PathBuf,
    },
    /// Another server, in this process or another one, holds the directory.
    DirectoryInUse {
        /// The directory that was asked for.
        path: PathBuf,
    },
    /// The directory was written by a version with another layout, or its contents are damaged.
    DirectoryFormat {
        /// The file that could not be understood.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else listens on the port.
    PortInUse {
        /// The port that was asked for.
        port: u16,
    },
    /// The port cannot be bound for another reason, for example a privileged port.
    Port {
        /// The port that was asked for; 0 means any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no random bytes for the credentials.
    Random {
        /// What the system said.
        reason: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, source } => write!(
                f,
                "the directory {} is not usable: {source}; choose one that can be written, or none for a temporary one",
                path.display()
            ),
            Self::ForeignDirectory { path } => write!(
                f,
                "the directory {} holds other files; choose an empty one, or one that a local S3 server wrote",
                path.display()
            ),
            Self::DirectoryInUse { path } => write!(
                f,
                "the directory {} is in use by another local S3 server; stop that one or choose another directory",
                path.display()
            ),
            Self::DirectoryFormat { path, reason } => {
                write!(
                    f,
                    "{} is not understood: {reason}; choose another directory",
                    path.display()
                )
            }
            Self::PortInUse { port } => {
                write!(
                    f,
                    "port {port} of 127.0.0.1 is in use; choose another one, or 0 for any free port"
                )
            }
            Self::Port { port, source } => {
                write!(
                    f,
                    "port {port} of 127.0.0.1 cannot be bound: {source}; choose another one, or 0 for any free port"
                )
            }
            Self::Random { reason } => {
                write!(f, "the system gave no random bytes for credentials: {reason}")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory { source, .. } | Self::Port { source, .. } => Some(source),
            _ => None,
        }
    }
}
