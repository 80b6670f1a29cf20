//! What is said about a business: its replies, agents, broadcasts and payments.

use wa_types::{Jid, UnixMillis};

use super::table::actions;

actions! {
    /// What is said about a business.
    BusinessAction;

    /// There is a quick reply, or no longer.
    QuickReply = "quick_reply", Regular, 2, quick_reply_action;
    (
        /// The reply.
        id: String
    ) {
        /// What is typed for it.
        shortcut: String = shortcut,
        /// What it says.
        message: String = message,
        /// What it is found by.
        keywords: Vec<String> = keywords,
        /// How often it was used.
        count: Option<i32> = count,
        /// Whether it is gone.
        deleted: bool = deleted,
        /// Its labels.
        labels: Vec<String> = associated_label_i_ds,
    }

    /// There is an agent, or no longer.
    Agent = "deviceAgent", Regular, 7, agent_action;
    (
        /// The agent.
        id: String
    ) {
        /// The name.
        name: Option<String> = name,
        /// The device.
        device: Option<i32> = device_id,
        /// Whether it is gone.
        deleted: bool = is_deleted,
    }

    /// A chat has an agent.
    Assignment = "agentChatAssignment", Regular, 7, chat_assignment;
    (
        /// The chat.
        chat: Jid
    ) {
        /// The agent.
        agent: Option<String> = device_agent_id,
    }

    /// An agent opened a chat.
    AssignmentOpened = "agentChatAssignmentOpenedStatus", Regular, 7, chat_assignment_opened_status;
    (
        /// The chat.
        chat: Jid,
        /// The agent.
        agent: String,
    ) {
        /// Whether it did.
        opened: bool = chat_opened,
    }

    /// A subscription of the business.
    Subscription = "subscription", Regular, 7, subscription_action;
    () {
        /// Whether it ended.
        deactivated: bool = is_deactivated,
        /// Whether it goes on by itself.
        renews: bool = is_auto_renewing,
        /// When it ends.
        expires: Option<i64> = expiration_date,
    }

    /// All subscriptions of the business.
    Subscriptions = "subscriptions_sync_v2", Regular, 1, subscriptions_sync_v2_action;
    () {}; whole content

    /// A message for marketing.
    Marketing = "marketingMessage", Regular, 7, marketing_message_action;
    (
        /// The message.
        id: String
    ) {
        /// Its name.
        name: Option<String> = name,
        /// What it says.
        message: Option<String> = message,
        /// What kind it is, by its number.
        kind: Option<i32> = r#type,
        /// When it was made.
        created: Option<UnixMillis> = created_at,
        /// When it was last sent.
        sent: Option<UnixMillis> = last_sent_at,
        /// Whether it is gone.
        deleted: bool = is_deleted,
        /// Its file.
        media: Option<String> = media_id,
    }

    /// What became of a message for marketing.
    MarketingBroadcast = "marketingMessageBroadcast", Regular, 7, marketing_message_broadcast_action;
    (
        /// The message for marketing.
        id: String,
        /// The message that was sent.
        message: String,
    ) {
        /// How many replied.
        replies: Option<i32> = replied_count,
    }

    /// There is a list to broadcast to, or no longer.
    BroadcastList = "business_broadcast_list", Regular, 1, business_broadcast_list_action;
    (
        /// The list.
        id: String
    ) {
        /// Whether it is gone.
        deleted: bool = deleted,
        /// Its name.
        name: Option<String> = list_name,
        /// Its labels.
        labels: Vec<String> = label_i_ds,
        /// Whom it is for, as an expression.
        audience: Option<String> = audience_expression,
        /// Whom it is for, by the id of another service.
        custom_audience: Option<String> = custom_audience_fbid,
        /// Who is on it.
        participants: Vec<(Jid, Option<Jid>)> = participants,
    }

    /// A campaign.
    Campaign = "business_broadcast_campaign", Regular, 1, business_broadcast_campaign_action;
    (
        /// The campaign.
        id: String
    ) {
        /// The device.
        device: Option<i32> = device_id,
        /// The advertisement.
        ad: Option<String> = ad_id,
        /// Its name.
        name: Option<String> = name,
        /// The message.
        message: Option<String> = msg_id,
        /// The list.
        list: Option<Jid> = broadcast_jid,
        /// How many messages are set aside for it.
        quota: Option<i32> = reserved_quota,
        /// When it is to be sent.
        scheduled: Option<i64> = scheduled_timestamp,
        /// When it was made.
        created: Option<i64> = create_timestamp,
        /// How far it is, by its number.
        status: Option<i32> = status,
    }

    /// What became of a campaign.
    Insights = "business_broadcast_insights_sync", Regular, 1, business_broadcast_insights_action;
    (
        /// The campaign.
        id: String
    ) {
        /// To how many it went.
        recipients: Option<i32> = recipient_count,
        /// How many got it.
        delivered: Option<i32> = delivered_count,
        /// How many read it.
        read: Option<i32> = read_count,
        /// How many replied.
        replied: Option<i32> = replied_count,
        /// How many tapped a reply.
        quick_replied: Option<i32> = quick_reply_count,
    }

    /// What is noted about a customer.
    Customer = "customer_data", RegularLow, 1, customer_data_action;
    (
        /// The chat.
        chat: Jid
    ) {
        /// The chat, once more.
        chat_too: Option<Jid> = chat_jid,
        /// What kind, by its number.
        kind: Option<i32> = contact_type,
        /// The e-mail address.
        email: Option<String> = email,
        /// Other phone numbers.
        other_numbers: Option<String> = alt_phone_numbers,
        /// The birthday.
        birthday: Option<i64> = birthday,
        /// The address.
        address: Option<String> = address,
        /// Where the customer comes from, by its number.
        source: Option<i32> = acquisition_source,
        /// How far it is, by its number.
        stage: Option<i32> = lead_stage,
        /// The last order.
        last_order: Option<i64> = last_order,
        /// When it was noted.
        created: Option<UnixMillis> = created_at,
        /// When it was changed.
        modified: Option<UnixMillis> = modified_at,
    }

    /// A note.
    Note = "note_edit", RegularLow, 7, note_edit_action;
    (
        /// The note.
        id: String
    ) {
        /// What kind, by its number.
        kind: Option<i32> = r#type,
        /// The chat that it is about.
        chat: Option<Jid> = chat_jid,
        /// When it was made.
        created: Option<UnixMillis> = created_at,
        /// Whether it is gone.
        deleted: bool = deleted,
        /// What it says.
        text: Option<String> = unstructured_content,
    }

    /// Chats are put in order by themselves.
    AutoOrganize = "setting_autoOrganizeBusinessChat", RegularLow, 7, auto_organize_business_chat_setting;
    () {
        /// Whether they are.
        enabled: bool = auto_organize,
    }

    /// A folder of chats is in use.
    Folder = "business_folder_activation", RegularLow, 7, business_folder_activation_action;
    (
        /// The elements of the index, which nobody has described.
        rest: Vec<String>,
    ) {
        /// Whether it is.
        activated: bool = activated,
    }

    /// How far an account of app and platform is.
    Coexistence = "coexV2Version", RegularLow, 7, coex_v2_version_action;
    () {
        /// The version.
        version: Option<u64> = version,
    }

    /// What a customer may be told to advertisers.
    AdSharing = "ctwaPerCustomerDataSharing", RegularHigh, 1, ctwa_per_customer_data_sharing_action;
    (
        /// The customer.
        account: Jid
    ) {
        /// Whether it may.
        enabled: bool = is_ctwa_per_customer_data_sharing_enabled,
    }

    /// A chat came from an advertisement.
    AdMessage = "ctwa_message_received", Regular, 7, ctwa_message_received_action;
    (
        /// The elements of the index, which nobody has described.
        rest: Vec<String>,
    ) {
        /// Whether it did.
        received: bool = is_ctwa_message_received,
    }

    /// Outcomes of chats are noted.
    Outcomes = "detected_outcomes_status_action", Regular, 1, detected_outcomes_status_action;
    () {
        /// Whether they are.
        enabled: bool = is_enabled,
    }

    /// A reminder to set up the assistant.
    AssistantNudge = "biz_ai_settings_nudge", RegularHigh, 1, biz_ai_settings_nudge_action;
    () {
        /// What to set up, by its number.
        category: Option<i32> = category,
        /// Which reminder.
        version: Option<i64> = version,
        /// When.
        updated: Option<UnixMillis> = updated_at_ms,
    }

    /// What the assistant does.
    Assistant = "maiba_ai_features_control", RegularHigh, 7, maiba_ai_features_control_action;
    () {
        /// Whether it is on, by its number.
        status: Option<i32> = ai_feature_status,
        /// How it replies, by its number.
        mode: Option<i32> = ai_reply_mode,
    }

    /// How the business is paid.
    Payment = "payment_info", RegularLow, 7, payment_info_action;
    () {
        /// As the app writes it.
        cpi: Option<String> = cpi,
    }

    /// Ways to pay.
    PaymentMethods = "custom_payment_methods", RegularLow, 7, custom_payment_methods_action;
    () {}; whole content

    /// Who carries the payments out.
    PaymentPartner = "merchant_payment_partner", RegularLow, 7, merchant_payment_partner_action;
    () {
        /// How far it is, by its number.
        status: i32 = status,
        /// The country.
        country: String = country,
        /// The partner.
        gateway: Option<String> = gateway_name,
        /// The account there.
        credential: Option<String> = credential_id,
    }

    /// The terms of payments.
    PaymentTerms = "payment_tos", RegularLow, 7, payment_tos_action;
    () {
        /// Which, by their number.
        notice: i32 = payment_notice,
        /// Whether they were accepted.
        accepted: bool = accepted,
    }
}

impl super::field::Field<Vec<wa_proto::sync_action::BroadcastListParticipant>> for Vec<(Jid, Option<Jid>)> {
    fn read(proto: &Vec<wa_proto::sync_action::BroadcastListParticipant>) -> Self {
        let pair = |one: &wa_proto::sync_action::BroadcastListParticipant| {
            Some((one.lid_jid.parse().ok()?, one.pn_jid.as_deref().and_then(|pn| pn.parse().ok())))
        };
        proto.iter().filter_map(pair).collect()
    }

    fn write(&self, proto: &mut Vec<wa_proto::sync_action::BroadcastListParticipant>) {
        let one = |(lid, pn): &(Jid, Option<Jid>)| wa_proto::sync_action::BroadcastListParticipant {
            lid_jid: lid.to_string(),
            pn_jid: pn.as_ref().map(ToString::to_string),
        };
        *proto = self.iter().map(one).collect();
    }
}
