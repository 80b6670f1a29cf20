//! The GraphQL documents that we know by number. They change with releases of the web client; old ones keep working for
//! long, but not for ever. Protocol: IQ catalogue, "Mex".

use super::Operation;

macro_rules! operations {
    ($($constant:ident = $name:literal, $id:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Operation = Operation { name: $name, id: $id };
        )*

        /// All of them.
        pub const ALL: &[Operation] = &[$($constant),*];
    };
}

operations! {
    CREATE_NEWSLETTER = "CreateNewsletter", "25149874324715067";
    FETCH_NEWSLETTER = "FetchNewsletter", "27456920720571478";
    FETCH_NEWSLETTER_DEHYDRATED = "FetchNewsletterDehydrated", "26944199458535748";
    FETCH_ALL_NEWSLETTERS_METADATA = "FetchAllNewslettersMetadata", "25399611239711790";
    JOIN_NEWSLETTER = "JoinNewsletter", "24404358912487870";
    LEAVE_NEWSLETTER = "LeaveNewsletter", "9767147403369991";
    UPDATE_NEWSLETTER = "UpdateNewsletter", "24250201037901610";
    UPDATE_NEWSLETTER_USER_SETTING = "UpdateNewsletterUserSetting", "31938993655691868";
    DELETE_NEWSLETTER = "DeleteNewsletter", "30062808666639665";
    CHANGE_NEWSLETTER_OWNER = "ChangeNewsletterOwner", "9546742745432473";
    DEMOTE_NEWSLETTER_ADMIN = "DemoteNewsletterAdmin", "9880997548630971";
    CREATE_NEWSLETTER_ADMIN_INVITE = "CreateNewsletterAdminInvite", "9387141988078609";
    ACCEPT_NEWSLETTER_ADMIN_INVITE = "AcceptNewsletterAdminInvite", "9580828702035549";
    REVOKE_NEWSLETTER_ADMIN_INVITE = "RevokeNewsletterAdminInvite", "9656078347839416";
    FETCH_NEWSLETTER_ADMIN_INFO = "FetchNewsletterAdminInfo", "26278439461859188";
    FETCH_NEWSLETTER_ADMIN_CAPABILITIES = "FetchNewsletterAdminCapabilities", "9801384413216421";
    FETCH_NEWSLETTER_PENDING_INVITES = "FetchNewsletterPendingInvites", "9783111038412085";
    FETCH_NEWSLETTER_FOLLOWERS = "FetchNewsletterFollowers", "27472091235714801";
    FETCH_NEWSLETTER_DIRECTORY_LIST = "FetchNewsletterDirectoryList", "26125047313831973";
    FETCH_NEWSLETTER_DIRECTORY_SEARCH_RESULTS = "FetchNewsletterDirectorySearchResults", "26301059626252132";
    FETCH_RECOMMENDED_NEWSLETTERS = "FetchRecommendedNewsletters", "25806748772361516";
    FETCH_SIMILAR_NEWSLETTERS = "FetchSimilarNewsletters", "26217043484590756";
    NEWSLETTER_PIN_MESSAGES = "NewsletterPinMessages", "27165709459706559";
    NEWSLETTER_UNPIN_MESSAGES = "NewsletterUnpinMessages", "28007176042216937";
    FETCH_NEWSLETTER_MESSAGE_REACTION_SENDER_LIST = "FetchNewsletterMessageReactionSenderList", "29575462448733991";
    FETCH_NEWSLETTER_POLL_VOTERS = "FetchNewsletterPollVoters", "9407762219322536";
    FETCH_NEWSLETTER_INSIGHTS = "FetchNewsletterInsights", "9853618868050977";
    FETCH_GROUP_INFO = "FetchGroupInfo", "27508847222068472";
    FETCH_GROUP_INVITE_CODE = "FetchGroupInviteCode", "29247029834912157";
    FETCH_ALL_SUBGROUPS = "FetchAllSubgroups", "9935467776504344";
    FETCH_SUBGROUP_SUGGESTIONS = "FetchSubgroupSuggestions", "23972005349071865";
    QUERY_SUBGROUP_PARTICIPANT_COUNT = "QuerySubgroupParticipantCount", "24079399904996141";
    UPDATE_GROUP_PROPERTY = "UpdateGroupProperty", "9418211574894172";
    TRANSFER_COMMUNITY_OWNERSHIP = "TransferCommunityOwnership", "29643783178598899";
    FETCH_GROUP_IS_INTERNAL = "FetchGroupIsInternal", "34119218944390847";
    GROUP_SUSPENSION_APPEAL = "GroupSuspensionAppeal", "25946115325088226";
    UPDATE_TEXT_STATUS = "UpdateTextStatus", "9152604461510864";
    FETCH_ABOUT_STATUS = "FetchAboutStatus", "24535500086059408";
    FETCH_TEXT_STATUS_LIST = "FetchTextStatusList", "24072923595647473";
    GET_USERNAME = "GetUsername", "25347099718279209";
    SET_USERNAME = "SetUsername", "25757341163897635";
    SET_USERNAME_KEY = "SetUsernameKey", "9749436995157074";
    USERNAME_AVAILABILITY = "UsernameAvailability", "26122779627399568";
    USYNC = "Usync", "29829202653362039";
    GET_PRIVACY_LISTS = "GetPrivacyLists", "26806428515612550";
    GET_PRIVACY_SETTINGS = "GetPrivacySettings", "25637004609323493";
    FETCH_REACHOUT_TIMELOCK = "FetchReachoutTimelock", "23983697327930364";
    FETCH_NEW_CHAT_MESSAGE_CAPPING_INFO = "FetchNewChatMessageCappingInfo", "24503548349331633";
    FETCH_PLAINTEXT_LINK_PREVIEW = "FetchPlaintextLinkPreview", "9101130456653613";
    FETCH_BOT_PROFILES_GQL = "FetchBotProfilesGQL", "26368585139502858";
    QUERY_CATALOG = "QueryCatalog", "9916553288394782";
    QUERY_CATALOG_PRODUCT = "QueryCatalogProduct", "9647868451963105";
    BIZ_QUERY_ORDER = "BizQueryOrder", "26593811266898374";
}

/// Numbers of older releases, that other clients still send.
pub const OLDER: &[Operation] = &[
    Operation { name: "FetchNewsletter", id: "6563316087068696" },
    Operation { name: "FetchAllNewslettersMetadata", id: "6388546374527196" },
    Operation { name: "CreateNewsletter", id: "6234210096708695" },
    Operation { name: "UpdateNewsletter", id: "7150902998257522" },
    Operation { name: "JoinNewsletter", id: "9926858900719341" },
    Operation { name: "LeaveNewsletter", id: "6392786840836363" },
    Operation { name: "MuteNewsletter", id: "6274038279359549" },
    Operation { name: "UnmuteNewsletter", id: "6068417879924485" },
    Operation { name: "CreateNewsletter", id: "8823471724422422" },
    Operation { name: "MuteNewsletter", id: "29766401636284406" },
    Operation { name: "UnmuteNewsletter", id: "9864994326891137" },
    Operation { name: "FetchNewsletterAdminCount", id: "7130823597031706" },
];

/// The operation with this number, of whatever release.
#[must_use]
pub fn by_id(id: &str) -> Option<Operation> {
    ALL.iter().chain(OLDER).find(|operation| operation.id == id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_means_one_operation() {
        let ids: std::collections::BTreeSet<&str> =
            ALL.iter().chain(OLDER).map(|operation| operation.id).collect();
        assert_eq!(ids.len(), ALL.len() + OLDER.len());
        for operation in ALL {
            assert_eq!(by_id(operation.id), Some(*operation));
        }
        assert_eq!(by_id("1"), None);
    }
}
