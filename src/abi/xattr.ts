/** Limits and flags of extended attributes. Source: linux/limits.h, linux/xattr.h; xattr(7). */
export const XATTR_NAME_MAX = 255;
export const XATTR_SIZE_MAX = 65536;
export const XATTR_LIST_MAX = 65536;

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;
