//! Paths of one file, as another file has to write them.

use std::path::{Component, Path, PathBuf};

use crate::template::Template;

/// From the folder of the YAML to the folder of the flow.toml.
#[derive(Debug)]
pub(crate) struct Move {
    /// The YAML's folder, seen from the flow.toml's. None if they are the same.
    from: Option<String>,
}

impl Move {
    /// Both folders may be relative to the working directory. Without looking at the
    /// disk: a link is followed by whoever opens the path.
    pub(crate) fn new(from: &Path, to: &Path) -> Move {
        let absolute = |path: &Path| {
            let path = match path.as_os_str().is_empty() {
                true => Path::new("."),
                false => path,
            };
            normal(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        };
        let relative = relative(&absolute(from), &absolute(to));
        Move {
            from: (!relative.is_empty()).then_some(relative),
        }
    }

    /// The path as the flow.toml has to write it. One that begins at a root, at a variable
    /// or in somebody's home stays as it is.
    pub(crate) fn path(&self, path: &Template) -> Template {
        let beginning = path.beginning();
        let is_elsewhere = beginning.is_empty() || beginning.starts_with(['/', '~', '\\']);
        match &self.from {
            Some(from) if !is_elsewhere && !Path::new(beginning).is_absolute() => path
                .map_beginning(|text| {
                    let text = text.trim_start_matches("./");
                    format!("{from}/{text}").trim_end_matches("/.").to_owned()
                }),
            _ => path.clone(),
        }
    }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// A folder as seen from another one; empty if they are the same. Both are absolute.
fn relative(folder: &Path, from: &Path) -> String {
    let same = folder.components().zip(from.components());
    let same = same.take_while(|(one, other)| one == other).count();
    let up = from.components().skip(same).map(|_| "..".to_owned());
    let down = folder.components().skip(same);
    let down = down.map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<String>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_the_same_place() {
        let moved = |from: &str, to: &str, path: &str| {
            let template = Template::parse(path, &Default::default()).unwrap();
            let to = Move::new(Path::new(from), Path::new(to));
            to.path(&template).flow_toml()
        };
        for (from, to, path, expected) in [
            ("/a/b", "/a/b", "./x", "./x"),
            ("a", "a/../a/.", "x/y", "x/y"),
            ("/a/b", "/a", "./x", "b/x"),
            ("/a/b", "/a/c/d", "x", "../../b/x"),
            ("", "..", ".", &current_folder_name()),
            ("/a/b", "/a", "/x", "/x"),
            ("/a/b", "/a", "~/x", "~/x"),
            ("/a/b", "/a", "$X/y", "${X}/y"),
            ("/a/b", "/a", "x/$Y", "b/x/${Y}"),
        ] {
            assert_eq!(moved(from, to, path), expected, "{from} {to} {path}");
        }
    }

    fn current_folder_name() -> String {
        let folder = std::env::current_dir().unwrap();
        folder.file_name().unwrap().to_string_lossy().into_owned()
    }
}
