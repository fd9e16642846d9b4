//! The words of the console, in English and Chinese.

mod chinese;

use http::{HeaderMap, header};

use super::cookie;

/// A language of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// English.
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

/// Defines the words of the pages' own parts, each in both languages.
macro_rules! words {
    ($($name:ident: $english:literal, $chinese:literal;)+) => {
        /// The words of the pages' own parts.
        pub(super) struct Words {
            $(pub(super) $name: &'static str,)+
        }

        const ENGLISH: Words = Words { $($name: $english,)+ };
        const CHINESE: Words = Words { $($name: $chinese,)+ };
    };
}

words! {
    allowed: "allowed", "允许";
    ask: "Explain", "解释";
    ask_request: "Or a request, by the id that its client was told", "或按请求 ID 解释一个请求";
    at: "At which time", "何时";
    attach: "Attach", "附加";
    attached_to: "Attached to", "附加到";
    audit_of: "Its events in the audit", "它的审计记录";
    by_request: "Request id", "请求 ID";
    check_column: "column", "列";
    check_line: "Line", "行";
    check_valid: "The document can be saved.", "文档可以保存。";
    clients: "Lines to paste", "可粘贴的配置";
    decided: "decides", "决定";
    denied: "denied", "拒绝";
    detach: "Detach", "解除";
    events: "Events", "事件";
    explain: "Explain", "权限解释";
    explain_hint: "Whether a principal may do something, step by step, as the service decides it.",
        "逐步说明某个主体能否执行某个操作，与服务的判定一致。";
    from: "From which address", "来自哪个地址";
    granted_then: "granted then", "当时允许";
    live: "Follow it live", "实时跟踪";
    live_hint: "New events are added at the top, every two seconds.", "新事件每两秒添加到顶部。";
    newer: "Newer", "更新的";
    notes: "Remarks", "说明";
    passes: "passes", "通过";
    recorded: "As it was recorded", "当时的记录";
    refused_then: "refused then", "当时拒绝";
    since: "How far back the audit is searched", "审计回溯范围";
    stops: "stops", "阻止";
    unattached: "It is attached to nothing.", "未附加到任何对象。";
    what: "What (action)", "做什么（操作）";
    where_: "Where (instance, or instance/repository)", "在哪里（实例或实例/仓库）";
    whole: "All of them", "查看全部";
    who: "Who (principal)", "谁（主体）";
    actions: "Actions", "操作";
    activity: "Activity", "活动";
    age: "Age in days", "已有天数";
    all: "all", "全部";
    answer: "Answer", "结果";
    back: "Back", "返回";
    apply: "Apply a file", "应用文件";
    apply_hint: "First you see the steps; nothing is changed before you confirm them.",
        "先显示步骤；确认之前不会做任何修改。";
    apply_text: "The file's text (TOML)", "文件的文本（TOML）";
    backup: "Backup", "备份";
    backup_download: "Download a backup", "下载备份";
    consequences: "These are the consequences", "后果如下";
    copied: "copied", "已复制";
    copy: "Copy", "复制";
    exchanged: "Exchanged for registry tokens", "换取的仓库令牌";
    export: "Export", "导出";
    filter: "Filter", "筛选";
    in_all: "in all", "合计";
    issued: "Issued credentials", "签发的凭据";
    keys: "Keys and certificates", "密钥与证书";
    language: "中文", "English";
    latency: "Latency in milliseconds", "延迟（毫秒）";
    log_in: "Log in", "登录";
    log_in_hint: "`transire operator create` makes an operator and shows its token.",
        "用 `transire operator create` 创建操作员，它会显示令牌。";
    go_on: "Continue", "继续";
    log_again: "This shows a secret, and you proved yourself more than ten minutes ago. Log in \
        again first.",
        "此操作会显示机密，而您上次验证身份已超过十分钟。请先重新登录。";
    log_again_button: "Log in again", "重新登录";
    log_in_with: "Log in with", "使用";
    log_in_with_end: "", "登录";
    log_out: "Log out", "退出";
    moment: "One moment", "请稍候";
    main: "Main pages", "主要页面";
    next: "Next page", "下一页";
    no: "no", "否";
    nothing: "Nothing is here.", "这里什么也没有。";
    numbers: "The same as numbers", "以数字显示";
    once: "It is shown this once: copy it now.", "只显示这一次：请立即复制。";
    others: "Others", "其他";
    overview: "Overview", "概览";
    refused: "Refused or failed, by reason", "按原因统计的拒绝与失败";
    replayed: "This was made before, by the same form.", "同一表单之前已经创建过。";
    request: "request", "请求";
    service: "Service", "服务";
    skip: "Skip to the content", "跳到正文";
    span: "Span of time", "时间范围";
    span_day: "1 day", "1 天";
    span_hour: "1 hour", "1 小时";
    span_month: "30 days", "30 天";
    span_week: "7 days", "7 天";
    state: "State and backup", "状态与备份";
    steps_made: "Steps that were made", "已执行的步骤";
    steps_make: "Make these steps", "执行这些步骤";
    steps_none: "Nothing is to be changed.", "没有需要修改的内容。";
    steps_planned: "Steps that the file asks for", "文件要求的步骤";
    steps_show: "Show the steps", "显示步骤";
    time: "Time (UTC)", "时间（UTC）";
    token: "Operator's token", "操作员令牌";
    token_again: "Your token, once more: this shows a secret.", "请再次输入您的令牌：此操作会显示机密。";
    token_for_backup: "Your token, once more: a backup holds all data.",
        "请再次输入您的令牌：备份包含所有数据。";
    trouble: "That didn't work", "操作未成功";
    warnings: "Warnings", "警告";
    well: "Nothing needs attention.", "一切正常。";
    within: "In it", "其中的内容";
    yes: "yes", "是";
}

impl Language {
    /// Chooses the language of a request: the one that was chosen before, or the browser's.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if let Some(code) = cookie::value(headers, cookie::LANGUAGE) {
            return Self::named(code);
        }
        let accepted = headers.get(header::ACCEPT_LANGUAGE);
        let accepted = accepted.and_then(|value| value.to_str().ok());
        Self::named(accepted.unwrap_or_default())
    }

    /// Returns the language of a code such as `zh-CN`; English for one that isn't spoken here.
    pub(super) fn named(code: &str) -> Self {
        match code.get(..2) {
            Some(begin) if begin.eq_ignore_ascii_case("zh") => Self::Chinese,
            _ => Self::English,
        }
    }

    /// Returns its code, as pages have it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// Returns the code of the other one.
    pub(super) fn other(self) -> &'static str {
        match self {
            Self::English => "zh",
            Self::Chinese => "en",
        }
    }

    /// Returns its words.
    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }

    /// Returns a sentence of the API, by its English. One that isn't translated stays as it is.
    pub(super) fn sentence(self, english: &str) -> String {
        let english = one_line(english);
        match chinese::sentence(&english) {
            Some(chinese) if self == Self::Chinese => chinese.to_owned(),
            _ => english,
        }
    }

    /// Returns the label of a field, a noun or an operation, by its name in the API.
    pub(super) fn label(self, name: &str) -> String {
        let plain = spaced(name);
        if self == Self::Chinese
            && let Some(label) = chinese::label(&plain)
        {
            return label;
        }
        english(&plain)
    }
}

/// The words that are written in capitals.
const CAPITALS: [&str; 8] = ["api", "ca", "cri", "id", "ids", "tcr", "ttl", "url"];

/// Returns words as a label.
fn english(plain: &str) -> String {
    let mut label = String::with_capacity(plain.len());
    for word in plain.split(' ') {
        if !label.is_empty() {
            label.push(' ');
        }
        let mut letters = word.chars();
        match (letters.next(), CAPITALS.contains(&word)) {
            (_, true) => label.extend(word.chars().flat_map(char::to_uppercase)),
            (Some(first), false) if label.is_empty() => {
                label.extend(first.to_uppercase().chain(letters));
            }
            _ => label.push_str(word),
        }
    }
    label
}

/// Writes a text of the API as one line: its source breaks lines where it likes.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a name of the API as words: `CreateUser`, `access-keys` and `user_id` become `create
/// user`, `access keys` and `user id`.
fn spaced(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        match letter {
            '-' | '_' => words.push(' '),
            _ if letter.is_ascii_uppercase() => {
                if !words.is_empty() {
                    words.push(' ');
                }
                words.push(letter.to_ascii_lowercase());
            }
            _ => words.push(letter),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::admin::CONSEQUENCES;
    use crate::admin::routes::ROUTES;

    #[test]
    fn a_name_of_the_api_is_words_for_people() {
        let cases = [
            ("CreateUser", "Create user", "创建用户"),
            ("access-keys", "Access keys", "访问密钥"),
            ("user_id", "User ID", "用户 ID"),
            ("tcr_id", "TCR ID", "腾讯云实例 ID"),
        ];
        for (name, english, chinese) in cases {
            assert_eq!(Language::English.label(name), english);
            assert_eq!(Language::Chinese.label(name), chinese);
        }
    }

    #[test]
    fn every_name_of_the_api_has_a_chinese_label() {
        let mut names = BTreeSet::new();
        for route in ROUTES {
            let described = (route.describe)();
            names.insert(route.name().to_owned());
            names.extend(route.path.rsplit('/').next().map(str::to_owned));
            names.extend(described.item_columns.iter().map(|name| (*name).to_owned()));
            let takes = serde_json::json!(described.takes);
            let fields = takes.get("properties").and_then(Value::as_object);
            names.extend(fields.into_iter().flatten().map(|(name, _)| name.clone()));
        }
        names.retain(|name| !name.starts_with('{'));
        let missing: Vec<_> = names
            .iter()
            .filter(|name| chinese::label(&spaced(name)).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// Gathers the descriptions in a schema, also those of the alternatives of a field.
    fn describe(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str().filter(|_| name == "description") {
                        Some(text) => drop(found.insert(one_line(text))),
                        None => describe(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| describe(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_sentence_of_the_api_is_in_chinese_once_and_no_other_is() {
        let mut wanted = BTreeSet::new();
        for route in ROUTES {
            describe(&serde_json::json!((route.describe)().takes), &mut wanted);
        }
        wanted.extend(CONSEQUENCES.iter().map(|text| (*text).to_owned()));
        let mut given: Vec<_> = chinese::ALL.into_iter().flatten().collect();
        given.sort_unstable();
        let english: Vec<_> = given.iter().map(|(english, _)| *english).collect();
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        assert_eq!(english, wanted);
        for (english, chinese) in given {
            assert!(!chinese.is_ascii(), "{english}");
            let places = |text: &str| -> BTreeSet<String> {
                let parts = text.split('{').skip(1);
                parts.map(|part| part.chars().take(2).collect()).collect()
            };
            assert_eq!(places(english), places(chinese), "{english}");
        }
    }

    #[test]
    fn a_browser_s_language_is_spoken_where_it_can_be() {
        let mut headers = HeaderMap::new();
        assert_eq!(Language::of(&headers), Language::English);
        headers.insert(header::ACCEPT_LANGUAGE, "zh-CN,en;q=0.5".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::Chinese);
        headers.insert(header::COOKIE, "transire-language=en".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::English);
    }
}
