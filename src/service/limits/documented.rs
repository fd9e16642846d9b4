//! The rates that the clouds document.

/// Returns the requests a second that an action's cloud documents, where that isn't the default of
/// `limits`.
///
/// Tencent's are in the documents 1150/49456 (STS) and 1141/41571, 1141/42911, 1141/94608 and
/// 1141/94605 (TCR), and AWS's are ECR's quotas, such as L-55A41110.
pub(super) fn rate(action: &str) -> Option<u32> {
    match action {
        "sts:AssumeRole" => Some(600),
        "ecr:GetAuthorizationToken" => Some(500),
        "ecr:BatchGetImage" => Some(2000),
        "sts:AssumeRoleWithWebIdentity"
        | "tcr:DescribeInstanceToken"
        | "tcr:ModifyInstanceToken"
        | "tcr:CreateServiceAccount"
        | "tcr:ModifyServiceAccount" => Some(20),
        _ => None,
    }
}
