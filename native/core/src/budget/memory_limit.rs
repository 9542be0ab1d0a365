//! How much memory this process may use: what the machine has, or what the control groups
//! around the process allow, whichever is least.
//!
//! A group is limited by all groups around it, so every limit on the way to the root
//! counts. In version 2 that is `memory.max`, above which the process is killed, and
//! `memory.high`, above which it is slowed down until it hardly moves.

use std::fs;
use std::path::{Component, Path, PathBuf};

const V1: &str = "cgroup";
const V2: &str = "cgroup2";

/// The bytes that the process may use; `None` where the system tells nothing. `root` is
/// `/`, or a test's tree.
pub(super) fn usable_memory(root: &Path) -> Option<u64> {
    let groups = groups(root).into_iter().filter_map(|group| group.limit());
    groups.chain(machine(root)).min()
}

fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The process's place in one hierarchy of control groups.
struct Group {
    version: &'static str,
    /// Where the hierarchy is mounted.
    mount: PathBuf,
    /// The group, at or below the mount.
    folder: PathBuf,
}

/// The groups that can limit memory: version 1 and 2 may be there beside each other.
fn groups(root: &Path) -> Vec<Group> {
    let memberships = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = mounts(root);
    let mut groups = Vec::new();
    for line in memberships.lines() {
        // `4:memory:/path`, or in version 2 `0::/path`.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let version = match controllers {
            "" => V2,
            some if some.split(',').any(|controller| controller == "memory") => V1,
            _ => continue,
        };
        for mount in mounts.iter().filter(|mount| mount.version == version) {
            let folder = mount.folder_of(path);
            groups.push(Group { version, mount: mount.at.clone(), folder });
        }
    }
    groups
}

impl Group {
    fn limit(&self) -> Option<u64> {
        let up = self.folder.ancestors().take_while(|folder| folder.starts_with(&self.mount));
        up.filter_map(|folder| self.limit_in(folder)).min()
    }

    fn limit_in(&self, folder: &Path) -> Option<u64> {
        // `max` is no number. Version 1 says "none" by a number larger than any machine.
        let number = |file: &str| -> Option<u64> {
            fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
        };
        if self.version == V2 {
            number("memory.max").into_iter().chain(number("memory.high")).min()
        } else {
            let own = number("memory.limit_in_bytes");
            own.into_iter().chain(hierarchical(folder)).min()
        }
    }
}

/// What version 1 says of the groups around this one, also of those that are not mounted.
fn hierarchical(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(folder.join("memory.stat")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit "))?.parse().ok()
}

/// A mounted hierarchy.
struct Mount {
    version: &'static str,
    at: PathBuf,
    /// Which group is visible at the mount; in a container often its own.
    group: String,
}

impl Mount {
    /// Where the group `path` is to be found.
    fn folder_of(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        let below = match path.strip_prefix(&self.group) {
            Ok(below) => below,
            // In a namespace of its own the process sees `/`; the mount's root is the
            // outer name of the same group.
            Err(_) => path.strip_prefix("/").unwrap_or(Path::new("")),
        };
        let folder = self.at.join(below);
        let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        // A group outside of what is mounted: the mount is the nearest that can be read.
        if plain && folder.is_dir() { folder } else { self.at.clone() }
    }
}

fn mounts(root: &Path) -> Vec<Mount> {
    let table = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    table.lines().filter_map(|line| mount(root, line)).collect()
}

/// A line is `id parent device group at options … - type source super-options`.
fn mount(root: &Path, line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (group, at) = (unescaped(place.next()?), unescaped(place.next()?));
    let mut kind = kind.split(' ');
    let version = match (kind.next()?, kind.nth(1)) {
        ("cgroup2", _) => V2,
        ("cgroup", Some(options)) if options.split(',').any(|option| option == "memory") => V1,
        _ => return None,
    };
    Some(Mount { version, at: root.join(at.trim_start_matches('/')), group })
}

/// The kernel writes spaces, tabs, line ends and backslashes as `\` and three octal digits.
fn unescaped(text: &str) -> String {
    let mut plain = text.to_owned();
    // The backslash last: what it stands before is text already.
    for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        plain = plain.replace(escape, character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A tree of files that is removed at the end.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let folder = format!("dipper-memory-limit-{name}-{}", std::process::id());
            let tree = Self(std::env::temp_dir().join(folder));
            tree.add("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\n");
            for (path, content) in files {
                tree.add(path, content);
            }
            tree
        }

        fn add(&self, path: &str, content: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn usable(&self) -> u64 {
            usable_memory(&self.0).unwrap() / MIB
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
    const MACHINE: u64 = 16 * 1024;

    #[test]
    fn without_a_group_the_machine_counts() {
        assert_eq!(Tree::new("none", &[]).usable(), MACHINE);
        let unlimited = Tree::new(
            "unlimited",
            &[
                ("proc/self/cgroup", "0::/user.slice\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
                ("sys/fs/cgroup/user.slice/memory.high", "max\n"),
            ],
        );
        assert_eq!(unlimited.usable(), MACHINE);
        assert_eq!(usable_memory(Path::new("/nonexistent")), None);
    }

    #[test]
    fn the_smallest_limit_on_the_way_to_the_root_counts() {
        let nested = |outer: &str, inner: &str, high: &str| {
            Tree::new(
                "nested",
                &[
                    ("proc/self/cgroup", "0::/pod/app/worker\n"),
                    ("proc/self/mountinfo", V2_MOUNT),
                    ("sys/fs/cgroup/pod/memory.max", outer),
                    ("sys/fs/cgroup/pod/app/memory.max", inner),
                    ("sys/fs/cgroup/pod/app/memory.high", high),
                    ("sys/fs/cgroup/pod/app/worker/memory.max", "max\n"),
                    // Of somebody else.
                    ("sys/fs/cgroup/pod/other/memory.max", "1048576\n"),
                ],
            )
            .usable()
        };
        assert_eq!(nested("1073741824\n", "max\n", "max\n"), 1024);
        assert_eq!(nested("1073741824\n", "536870912\n", "max\n"), 512);
        assert_eq!(nested("1073741824\n", "536870912\n", "268435456\n"), 256);
        assert_eq!(nested("1073741824\n", "max\n", "99999999999999\n"), 1024);
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        // With a namespace: the process is in `/`.
        let namespace = Tree::new(
            "namespace",
            &[
                ("proc/self/cgroup", "0::/\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/memory.max", "2147483648\n"),
            ],
        );
        assert_eq!(namespace.usable(), 2048);
        // Without: it sees its outer name, and the mount shows only that group.
        let outer = Tree::new(
            "outer",
            &[
                ("proc/self/cgroup", "0::/docker/abc/inner\n"),
                (
                    "proc/self/mountinfo",
                    "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
                ),
                ("sys/fs/cgroup/memory.max", "2147483648\n"),
                ("sys/fs/cgroup/inner/memory.high", "1073741824\n"),
            ],
        );
        assert_eq!(outer.usable(), 1024);
        // Outside of what is mounted: the mount is all there is.
        let above = Tree::new(
            "above",
            &[
                ("proc/self/cgroup", "0::/../../other\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/memory.max", "2147483648\n"),
            ],
        );
        assert_eq!(above.usable(), 2048);
    }

    #[test]
    fn version_1_and_both_beside_each_other() {
        let mounts = concat!(
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n",
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
            "35 31 0:32 / /sys/fs/cgroup/with\\040space rw shared:9 - cgroup cgroup rw,memory\n",
            "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        );
        let groups = "9:name=systemd:/\n4:cpu,memory:/a:b/c\n1:cpu:/\n0::/u\n";
        let tree = |files: &[(&str, &str)]| {
            let tree =
                Tree::new("v1", &[("proc/self/cgroup", groups), ("proc/self/mountinfo", mounts)]);
            for (path, content) in files {
                tree.add(&format!("sys/fs/cgroup/{path}"), content);
            }
            tree.usable()
        };
        let unlimited = ("with space/a:b/c/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(tree(&[unlimited]), MACHINE);
        assert_eq!(tree(&[("with space/a:b/c/memory.limit_in_bytes", "1073741824\n")]), 1024);
        assert_eq!(
            tree(&[unlimited, ("with space/a:b/memory.limit_in_bytes", "536870912\n")]),
            512
        );
        let stat = "cache 0\nhierarchical_memory_limit 268435456\ntotal_cache 0\n";
        assert_eq!(tree(&[unlimited, ("with space/a:b/c/memory.stat", stat)]), 256);
        assert_eq!(tree(&[unlimited, ("unified/u/memory.max", "134217728\n")]), 128);
        assert_eq!(tree(&[("cpu/a:b/c/memory.limit_in_bytes", "1048576\n")]), MACHINE);
    }

    #[test]
    fn nonsense_in_the_files_is_passed_over() {
        let tree = Tree::new(
            "nonsense",
            &[
                ("proc/self/cgroup", "\n:\n0:\n0::\n0::/x\nnonsense\n"),
                (
                    "proc/self/mountinfo",
                    "\n - \n1 2 3 - cgroup2\n30 23 0:26 / /sys/fs/cgroup - cgroup2 c rw\n",
                ),
                ("sys/fs/cgroup/x/memory.max", "-5\n"),
                ("sys/fs/cgroup/x/memory.high", "\n"),
            ],
        );
        assert_eq!(tree.usable(), MACHINE);
    }
}
