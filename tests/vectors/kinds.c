/* SPDX-License-Identifier: Apache-2.0 */
/* Which function runs which index: a new kind is one file and one row. */
#include "tests/vectors/vectors.h"

/* clang-format off */
const struct vector_kind vector_kinds[] = {
	{"nvidia", "nvidia/cases.json", NULL, vector_nvidia},
	{"nvidia synthetic", "nvidia/synthetic/cases.json", NULL,
	    vector_nvidia},
	{"nras", "nras/cases.json", NULL, vector_nras},
	{"tdx",           "tdx/cases.json",           NULL, vector_tdx},
	{"tdx synthetic", "tdx/synthetic/cases.json", NULL, vector_tdx},
	{"apple", "apple/cases.json", NULL, vector_apple},
	{"snp",           "snp/cases.json",           NULL, vector_snp},
	{"snp synthetic", "snp/synthetic/cases.json", NULL, vector_snp},
	{"contrast", "contrast/cases.json", "manifest_cases",
	    vector_contrast_manifest},
	{"contrast", "contrast/cases.json", "report_data",
	    vector_contrast_report_data},
	{"dstack", "dstack/cases.json", NULL, vector_dstack},
	{"dstack compose", "dstack/compose-cases.json", NULL,
	    vector_dstack_compose},
	{"dstack actions", "dstack/actions-cases.json", NULL,
	    vector_dstack_actions},
	{"near binding", "near/binding-cases.json", NULL, vector_binding},
	{"near signature", "near/chat-signatures.json", NULL,
	    vector_chat_signature},
	{"near e2ee", "near/e2ee.json", NULL, vector_near_e2ee},
	{"io.net nonce", "services/ionet-nonce-cases.json", NULL,
	    vector_ionet_nonce},
	{"eip191", "eip191/cases.json", NULL, vector_eip191},
	{"privatemode", "privatemode/cases.json", NULL, vector_privatemode},
	{"privatemode", "privatemode/single-cases.json", NULL,
	    vector_privatemode_single},
	{"aci", "aci/cases.json", NULL, vector_aci},
	{"whole answers", "near/reports.json", NULL, vector_answer},
	{NULL, NULL, NULL, NULL},
};
/* clang-format on */
const size_t vector_kind_count =
    sizeof(vector_kinds) / sizeof(vector_kinds[0]) - 1;
