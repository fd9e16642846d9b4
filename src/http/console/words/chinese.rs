//! Chinese labels of the API's names.

/// Returns the label of a name that is written as words; nothing where there is none.
pub(super) fn label(plain: &str) -> Option<String> {
    if let Some(label) = find(LABELS, plain) {
        return Some(label.to_owned());
    }
    let (verb, rest) = plain.split_once(' ')?;
    let label = format!("{}{}", find(VERBS, verb)?, find(LABELS, rest)?);
    Some(label)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let found = table.iter().find(|(english, _)| *english == name);
    found.map(|(_, chinese)| *chinese)
}

const VERBS: &[(&str, &str)] = &[
    ("activate", "启用"),
    ("add", "添加"),
    ("apply", "应用"),
    ("attach", "附加"),
    ("cancel", "取消"),
    ("check", "检查"),
    ("create", "创建"),
    ("delete", "删除"),
    ("detach", "解除"),
    ("disable", "停用"),
    ("enable", "启用"),
    ("explain", "解释"),
    ("export", "导出"),
    ("import", "导入"),
    ("list", "列出"),
    ("remove", "移除"),
    ("revoke", "撤销"),
    ("rotate", "轮换"),
    ("set", "设置"),
    ("show", "查看"),
    ("test", "测试"),
    ("update", "修改"),
];

const LABELS: &[(&str, &str)] = &[
    ("access key", "访问密钥"),
    ("access key id", "访问密钥 ID"),
    ("access key secret", "访问密钥机密"),
    ("access keys", "访问密钥"),
    ("account", "账号"),
    ("account id", "账号 ID"),
    ("accounts", "账号"),
    ("action", "操作"),
    ("address", "地址"),
    ("allow list", "白名单"),
    ("audit", "审计"),
    ("created at", "创建时间"),
    ("credential", "凭据"),
    ("credential id", "凭据 ID"),
    ("credentials", "凭据"),
    ("description", "描述"),
    ("document", "文档"),
    ("expires at", "到期时间"),
    ("group", "用户组"),
    ("groups", "用户组"),
    ("id", "ID"),
    ("instance", "实例"),
    ("instances", "实例"),
    ("issuer", "签发者"),
    ("keys", "密钥"),
    ("kind", "类型"),
    ("last used at", "最近使用"),
    ("limit", "数量上限"),
    ("member", "成员"),
    ("members", "成员"),
    ("name", "名称"),
    ("namespace", "命名空间"),
    ("namespaces", "命名空间"),
    ("oidc providers", "身份提供商"),
    ("operator", "操作员"),
    ("operators", "操作员"),
    ("outcome", "结果"),
    ("policies", "策略"),
    ("policy", "策略"),
    ("principal", "主体"),
    ("region", "地域"),
    ("registry url", "仓库地址"),
    ("repositories", "仓库"),
    ("repository", "仓库"),
    ("role", "角色"),
    ("roles", "角色"),
    ("service", "服务名"),
    ("service accounts", "服务账号"),
    ("state", "状态"),
    ("status", "状态"),
    ("time", "时间"),
    ("token", "令牌"),
    ("user", "用户"),
    ("user id", "用户 ID"),
    ("users", "用户"),
];
