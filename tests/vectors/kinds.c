/* SPDX-License-Identifier: Apache-2.0 */
/* Which function runs which index: a new kind is one file and one row. */
#include "tests/vectors/vectors.h"

/* clang-format off */
const struct vector_kind vector_kinds[] = {
	{"nvidia", "nvidia/cases.json", NULL, vector_nvidia, {NULL}},
	{"nvidia synthetic", "nvidia/synthetic/cases.json", NULL,
	    vector_nvidia, {NULL}},
	{"nras", "nras/cases.json", NULL, vector_nras, {NULL}},
	{"tdx",           "tdx/cases.json",           NULL, vector_tdx, {NULL}},
	{"tdx synthetic", "tdx/synthetic/cases.json", NULL, vector_tdx, {NULL}},
	{"apple", "apple/cases.json", NULL, vector_apple, {NULL}},
	{"snp",           "snp/cases.json",           NULL, vector_snp, {NULL}},
	{"snp synthetic", "snp/synthetic/cases.json", NULL, vector_snp, {NULL}},
	{"contrast", "contrast/cases.json", "manifest_cases",
	    vector_contrast_manifest, {NULL}},
	{"contrast", "contrast/cases.json", "report_data",
	    vector_contrast_report_data, {NULL}},
	{"dstack", "dstack/cases.json", NULL, vector_dstack, {NULL}},
	{"dstack compose", "dstack/compose-cases.json", NULL,
	    vector_dstack_compose, {"app_compose_text", "mr_config_id"}},
	{"dstack actions", "dstack/actions-cases.json", NULL,
	    vector_dstack_actions, {"actions", "report_data"}},
	{"near binding", "near/binding-cases.json", NULL, vector_binding,
	    {"scheme", "report_data"}},
	{"near signature", "near/chat-signatures.json", NULL,
	    vector_chat_signature,
	    {"text", "signature", "signing_address", "signing_algo"}},
	{"near e2ee", "near/e2ee.json", NULL, vector_near_e2ee,
	    {"algorithm", "private_seed", "ciphertext"}},
	{"io.net nonce", "services/ionet-nonce-cases.json", NULL,
	    vector_ionet_nonce, {"asked_nonce", "answer_nonce"}},
	{"eip191", "eip191/cases.json", NULL, vector_eip191,
	    {"message_hex", "signature", "address"}},
	{"privatemode", "privatemode/cases.json", NULL, vector_privatemode,
	    {"secret", "request_nonce", "request_encrypted"}},
	{"privatemode", "privatemode/single-cases.json", NULL,
	    vector_privatemode_single, {"secret", "request_nonce", "value"}},
	{"aci", "aci/cases.json", NULL, vector_aci,
	    {"keyset_jcs", "receipt_document"}},
	{"whole answers", "near/reports.json", NULL, vector_answer, {NULL}},
	{NULL, NULL, NULL, NULL, {NULL}},
};
/* clang-format on */
const size_t vector_kind_count =
    sizeof(vector_kinds) / sizeof(vector_kinds[0]) - 1;
