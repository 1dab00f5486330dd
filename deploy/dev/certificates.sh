# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The demo operator's own CA and the two leaves under it: one for the servers
# (buyers, tunnels, auth), one by which the gateway is known to assay-auth.

make_certificates() {
	local pki=$state/pki

	[ ! -f "$pki/done" ] || return 0
	step "making the operator's certificates in $pki"
	rm -rf "$pki"
	(umask 077 && mkdir -p "$pki")
	quietly "$state/log/openssl.log" openssl req -x509 -newkey ec \
		-pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
		-subj '/CN=Assay demo operator CA' \
		-addext 'basicConstraints=critical,CA:TRUE,pathlen:0' \
		-addext 'keyUsage=critical,keyCertSign,cRLSign' \
		-keyout "$pki/operator-ca.key" -out "$pki/operator-ca.pem"
	make_leaf server serverAuth
	make_leaf gateway clientAuth
	: >"$pki/done"
}

# make_leaf NAME USAGE
make_leaf() {
	local pki=$state/pki

	cat >"$pki/$1.ext" <<-END
		basicConstraints=critical,CA:FALSE
		keyUsage=critical,digitalSignature
		extendedKeyUsage=$2
		subjectAltName=DNS:localhost,IP:127.0.0.1
	END
	quietly "$state/log/openssl.log" openssl req -new -newkey ec \
		-pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=assay $1" \
		-keyout "$pki/$1.key" -out "$pki/$1.csr"
	quietly "$state/log/openssl.log" openssl x509 -req -days 825 \
		-in "$pki/$1.csr" -CA "$pki/operator-ca.pem" \
		-CAkey "$pki/operator-ca.key" -CAcreateserial \
		-extfile "$pki/$1.ext" -out "$pki/$1.pem"
}
