"""What the keys of issuers look like: the prefix, alphabet and shortest length that they publish for secret scanners.

None has a quotation mark or a backslash in it, so that masking one within JSON text leaves JSON.
"""

from __future__ import annotations

from typing import Final

# Told by a prefix that stands nowhere else, not even in base64: it is long, or has a mark in it.
_ANYWHERE: Final = rb"""
  sk-ant-[A-Za-z0-9_-]{6,}
  gh[pousr]_[A-Za-z0-9]{16,} github_pat_[A-Za-z0-9_]{20,}
  gl(?:pat|dt|rt|ptt|cbt|ft|imt|agent|soat|oas|ffct)-[A-Za-z0-9_.-]{16,}
  xox[abcdeprs]-[A-Za-z0-9-]{8,} xoxe\.xox[bp]-[A-Za-z0-9-]{8,} xapp-[0-9]-[A-Za-z0-9-]{8,}
  ya29\.[A-Za-z0-9_.-]{16,} GOCSPX-[A-Za-z0-9_-]{20,} AGE-SECRET-KEY-1[A-Z0-9]{40,}
  hf_[A-Za-z0-9]{24,} api_org_[A-Za-z0-9]{30,} bedrock-api-key-[A-Za-z0-9+/=_-]{40,}
  gsk_[A-Za-z0-9]{32,} xai-[A-Za-z0-9]{40,} pplx-[A-Za-z0-9]{32,} csk-[A-Za-z0-9]{40,} nvapi-[A-Za-z0-9_-]{40,}
  tgp_v1_[A-Za-z0-9_-]{30,} pcsk_[A-Za-z0-9_-]{40,} tvly-[A-Za-z0-9-]{20,} e2b_[a-f0-9]{40}
  [sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,} whsec_[A-Za-z0-9+/=]{16,}
  npm_[A-Za-z0-9]{30,} pypi-[A-Za-z0-9_-]{40,} rubygems_[a-f0-9]{48} CLOJARS_[A-Za-z0-9]{60}
  dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,} SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
  eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*
  do[opr]_v1_[a-f0-9]{40,} lin_(?:api|oauth)_[A-Za-z0-9]{30,} ntn_[A-Za-z0-9]{40,}
  shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32} sq0[a-z]{3}-[A-Za-z0-9_-]{22,}
  AT[AC]TT3[A-Za-z0-9_=-]{50,} NR(?:AK|II|AL)-[A-Za-z0-9]{20,}
  glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8} sntry[su]_[A-Za-z0-9+/=_]{40,} figd_[A-Za-z0-9_-]{36,}
  PMAK-[a-f0-9]{24}-[a-f0-9]{34} [0-9]{8,10}:AA[A-Za-z0-9_-]{33}
  pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,} sb_secret_[A-Za-z0-9_-]{20,} sbp_[a-f0-9]{40}
  tskey-[a-z]+-[A-Za-z0-9]+-[A-Za-z0-9]{16,} HRKU-[A-Za-z0-9_-]{36,}
  [A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,} dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}
  [A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}
  fm[12][ar]?_[A-Za-z0-9+/=,]{60,}
"""
# Told by a prefix that the middle of a word, or of base64, may have.
_AT_A_BEGINNING: Final = rb"""
  sk-[A-Za-z0-9_-]{18,}
  AIza[A-Za-z0-9_-]{30,} 1//0[A-Za-z0-9_-]{40,} ABSK[A-Za-z0-9+/]{40,}={0,2} AKCp[A-Za-z0-9]{40,}
  dapi[a-f0-9]{32} SK[a-f0-9]{32} key-[a-f0-9]{32} fc-[a-f0-9]{32} pul-[a-f0-9]{40} cio[A-Za-z0-9]{32}
  [a-f0-9]{32}-us[0-9]{1,2}
  r8_[A-Za-z0-9]{30,} fw_[A-Za-z0-9]{24,} pa-[A-Za-z0-9_-]{40,} hv[sbr]\.[A-Za-z0-9_-]{20,}
  dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9.]{40,} secret_[A-Za-z0-9]{40,} glc_[A-Za-z0-9+/=]{32,}
"""

ANYWHERE: Final = b"|".join(_ANYWHERE.split())
"""A pattern of keys that are told wherever they stand."""
AT_A_BEGINNING: Final = b"|".join(_AT_A_BEGINNING.split())
"""A pattern of keys that are told where no letter, digit or dash stands before them, if a digit is among them."""
WEBHOOKS: Final = (
    rb"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{20,})"
    rb"|discord(?:app)?\.com/api/webhooks/[0-9]+/([A-Za-z0-9_-]{30,})"
    rb"|webhook\.office\.com/webhookb2/([A-Za-z0-9@/_-]{30,})"
)
"""A pattern of URLs that are credentials themselves, one group each."""
