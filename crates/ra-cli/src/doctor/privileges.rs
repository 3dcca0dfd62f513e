//! What Linux lets this process do, as `/proc` has it. Pure: texts go in.

use super::report::{Limit, Limits};

/// Reads `/proc/self/limits`.
pub(super) fn parse_limits(text: &str) -> Limits {
    let limit = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let mut values = line.split_whitespace().map(|word| word.parse::<u64>().ok());
        // "unlimited" is none.
        Some(Limit { soft: values.next()?, hard: values.next()? })
    };
    let all = [
        limit("Max realtime priority"),
        limit("Max locked memory"),
        limit("Max nice priority"),
        limit("Max open files"),
    ];
    let known = all.iter().all(Option::is_some);
    let [rtprio, memlock_bytes, nice, open_files] = all.map(Option::unwrap_or_default);
    Limits { known, rtprio, memlock_bytes, nice, open_files }
}

/// The numbers of the groups that a process is in, from `/proc/self/status`: its own and the supplementary ones.
pub(super) fn parse_groups(status: &str) -> Vec<u32> {
    let of = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
    let words = of("Gid:") + " " + &of("Groups:");
    words.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The effective user of `/proc/self/status`.
pub(super) fn parse_user(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// The number of a group, from `/etc/group`.
pub(super) fn group_number(groups: &str, name: &str) -> Option<u32> {
    groups.lines().map(|line| line.split(':')).find_map(|mut fields| {
        if fields.next()? != name {
            return None;
        }
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_unlimited_is_none() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 1048576              files     \n\
                    Max locked memory         8388608              unlimited            bytes     \n\
                    Max nice priority         0                    0                    \n\
                    Max realtime priority     95                   99                   \n";
        let limits = parse_limits(text);
        assert!(limits.known);
        assert_eq!(limits.rtprio, Limit { soft: Some(95), hard: Some(99) });
        assert_eq!(limits.memlock_bytes, Limit { soft: Some(8_388_608), hard: None });
        assert_eq!(limits.open_files.hard, Some(1_048_576));
        assert!(!parse_limits("").known && !parse_limits("Max open files 1 1").known);
    }

    #[test]
    fn groups_are_those_of_the_process() {
        let status = "Name:\tra\nUid:\t1000\t1001\t1000\t1000\nGid:\t100\t100\t100\t100\nGroups:\t4 29 1000 \n";
        assert_eq!(parse_groups(status), [100, 100, 100, 100, 4, 29, 1000]);
        assert_eq!(parse_user(status), Some(1001));
        let groups = "root:x:0:\naudio:x:29:ann,ben\nvideo:x:44:\n";
        assert_eq!((group_number(groups, "audio"), group_number(groups, "sound")), (Some(29), None));
    }
}
