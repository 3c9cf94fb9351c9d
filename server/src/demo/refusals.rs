//! Why a demonstration cannot be had, with a stable code and what to do, in Chinese and English.

use std::{io, path::PathBuf};

use super::Language;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// It cannot be made or written.
    #[error(
        "folder_unusable: {path} cannot be written ({source}); give a folder of yours with --data, or none for a temporary one"
    )]
    Unusable { path: PathBuf, source: io::Error },
    /// It holds something else.
    #[error(
        "not_a_demo: {0} holds something that is no demonstration, and is left alone; give an empty or a new folder with --data"
    )]
    NotADemo(PathBuf),
    /// It was made by another version.
    #[error(
        "demo_folder_old: the demonstration in {0} was made by another version of fieldpool; make it anew with --reset, which removes what is in it, or give another folder"
    )]
    OtherVersion(PathBuf),
    /// It was stopped before it was ready.
    #[error(
        "demo_unfinished: the demonstration in {0} was stopped before it was ready; make it anew with --reset, or give another folder"
    )]
    Unfinished(PathBuf),
    /// A server runs on it.
    #[error(
        "demo_running: a demonstration runs in {0} already; use that one, stop it with Ctrl-C first, or give another folder"
    )]
    Running(PathBuf),
    /// None runs.
    #[error(
        "no_demo: no demonstration is running; start one with `fieldpool demo` and leave it running, or name its folder with --demo"
    )]
    NoneRunning,
    /// Nobody of that name.
    #[error("unknown_name: nobody here is called {name:?}; the people are: {people}")]
    UnknownName { name: String, people: String },
}

impl FolderError {
    /// The stable code and what to do, in the language.
    pub(crate) fn told(&self, language: Language) -> String {
        if language == Language::En {
            return self.to_string();
        }
        match self {
            Self::Unusable { path, source } => format!(
                "folder_unusable: 无法写入 {}（{source}）；请用 --data 指定您自己的文件夹，或不指定而使用临时文件夹",
                path.display()
            ),
            Self::NotADemo(path) => format!(
                "not_a_demo: {} 里有演示以外的内容，未作改动；请用 --data 指定空文件夹或新文件夹",
                path.display()
            ),
            Self::OtherVersion(path) => format!(
                "demo_folder_old: {} 里的演示由其他版本的 fieldpool 生成；请用 --reset 重新生成（会删除其中内容），或换一个文件夹",
                path.display()
            ),
            Self::Unfinished(path) => format!(
                "demo_unfinished: {} 里的演示在生成完成前被停止；请用 --reset 重新生成，或换一个文件夹",
                path.display()
            ),
            Self::Running(path) => format!(
                "demo_running: {} 里已有演示在运行；请直接使用它，或先按 Ctrl-C 停止，或换一个文件夹",
                path.display()
            ),
            Self::NoneRunning => {
                "no_demo: 没有正在运行的演示；请先运行 `fieldpool demo` 并保持运行，或用 --demo 指定其文件夹".to_owned()
            }
            Self::UnknownName { name, people } => format!("unknown_name: 这里没有叫 {name:?} 的人；有：{people}"),
        }
    }
}
