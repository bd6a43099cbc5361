const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a text can be the id of something that has a UUID, as it is written everywhere: PostgreSQL throws at others. */
export const isUuid = (text: string): boolean => UUID.test(text);
